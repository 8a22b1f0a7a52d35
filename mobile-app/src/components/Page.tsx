import { IonBackButton, IonButtons, IonContent, IonHeader, IonPage, IonTitle, IonToolbar } from "@ionic/react";
import type { ReactNode } from "react";

import { useServices, useValue } from "../services/services";
import { strings } from "../strings";

interface Props {
  title: string;
  /** Where the back button leads; without it there is none. */
  backTo?: string;
  children: ReactNode;
}

/** The frame of every screen: its title, and a word when there is no network. */
export function Page({ title, backTo, children }: Props) {
  const connected = useValue(useServices().connected);
  return (
    <IonPage>
      <IonHeader>
        <IonToolbar>
          {backTo !== undefined && (
            <IonButtons slot="start">
              <IonBackButton defaultHref={backTo} />
            </IonButtons>
          )}
          <IonTitle>{title}</IonTitle>
        </IonToolbar>
      </IonHeader>
      <IonContent>
        <div className="page">
          <div role="status">{!connected && <p className="offline">{strings.offline}</p>}</div>
          {children}
        </div>
      </IonContent>
    </IonPage>
  );
}
