import { IonApp, IonIcon, IonLabel, IonRouterOutlet, IonTabBar, IonTabButton, IonTabs } from "@ionic/react";
import { IonReactRouter } from "@ionic/react-router";
import { airplaneOutline, helpCircleOutline, informationCircleOutline } from "ionicons/icons";
import { useEffect } from "react";
import { Navigate, Route } from "react-router";

import { AboutScreen } from "./screens/AboutScreen";
import { AnswerScreen } from "./screens/AnswerScreen";
import { AskScreen } from "./screens/AskScreen";
import { FlightsScreen } from "./screens/FlightsScreen";
import { ServicesProvider, type Services } from "./services/services";
import { confirmBundle } from "./services/shell.service";
import { strings } from "./strings";

export function App({ services }: { services: Services }) {
  // Only a bundle whose first screen is there says that it works.
  useEffect(() => void confirmBundle(), []);
  return (
    <ServicesProvider value={services}>
      <IonApp>
        <IonReactRouter>
          <IonTabs>
            <IonRouterOutlet>
              <Route path="/ask" element={<AskScreen />} />
              <Route path="/ask/:id" element={<AnswerScreen backTo="/ask" />} />
              <Route path="/flights" element={<FlightsScreen />} />
              <Route path="/flights/:id" element={<AnswerScreen backTo="/flights" />} />
              <Route path="/about" element={<AboutScreen />} />
              <Route path="/" element={<Navigate to="/ask" replace />} />
              <Route path="*" element={<Navigate to="/ask" replace />} />
            </IonRouterOutlet>
            <nav slot="bottom" aria-label={strings.navigation}>
              <IonTabBar>
                <IonTabButton tab="ask" href="/ask">
                  <IonIcon icon={helpCircleOutline} aria-hidden="true" />
                  <IonLabel>{strings.ask.title}</IonLabel>
                </IonTabButton>
                <IonTabButton tab="flights" href="/flights">
                  <IonIcon icon={airplaneOutline} aria-hidden="true" />
                  <IonLabel>{strings.flights.title}</IonLabel>
                </IonTabButton>
                <IonTabButton tab="about" href="/about">
                  <IonIcon icon={informationCircleOutline} aria-hidden="true" />
                  <IonLabel>{strings.about.title}</IonLabel>
                </IonTabButton>
              </IonTabBar>
            </nav>
          </IonTabs>
        </IonReactRouter>
      </IonApp>
    </ServicesProvider>
  );
}
