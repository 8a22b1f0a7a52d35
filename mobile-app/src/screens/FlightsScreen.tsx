import { IonButton, IonIcon, IonRouterLink } from "@ionic/react";
import { trashOutline } from "ionicons/icons";

import { FlightSummary } from "../components/FlightSummary";
import { OutcomeQuestion } from "../components/OutcomeQuestion";
import { Page } from "../components/Page";
import type { Question } from "../rules/question";
import { ageOf } from "../rules/time";
import { useNow, useServices, useValue } from "../services/services";
import { strings } from "../strings";

const texts = strings.flights;

/** Saved flights and questions that wait, by departure. */
export function FlightsScreen() {
  const { questions } = useServices();
  const shown = useValue(questions)
    .filter(({ saved, sending }) => saved || sending !== undefined)
    .sort((one, other) => one.flight.departure.localeCompare(other.flight.departure));
  return (
    <Page title={texts.title}>
      <h1>{texts.heading}</h1>
      {shown.length === 0 && (
        <>
          <p>{texts.none}</p>
          <IonButton routerLink="/ask" routerDirection="root">
            {texts.askFirst}
          </IonButton>
        </>
      )}
      <ul className="flights">
        {shown.map((question) => (
          <li key={question.id}>
            <FlightCard question={question} />
          </li>
        ))}
      </ul>
    </Page>
  );
}

function FlightCard({ question }: { question: Question }) {
  const { questions } = useServices();
  const { id, flight } = question;
  return (
    <>
      <div className="card">
        <IonRouterLink routerLink={`/flights/${id}`} className="card-link">
          <FlightSummary flight={flight} />
          <State question={question} />
        </IonRouterLink>
        <IonButton
          fill="clear"
          aria-label={texts.remove(strings.route(flight.origin, flight.destination))}
          onClick={() => questions.remove(id)}
        >
          <IonIcon slot="icon-only" icon={trashOutline} aria-hidden="true" />
        </IonButton>
      </div>
      <OutcomeQuestion question={question} />
    </>
  );
}

function State({ question: { answer, answeredAt, sending, refusal } }: { question: Question }) {
  const now = useNow(10_000);
  return (
    <span className="state">
      {answer && (
        <>
          <strong>{strings.answer.percent(answer.probability)}</strong>{" "}
          {answer.late ? strings.answer.late : strings.answer.onTime} · {strings.age(ageOf(answeredAt ?? 0, now))}
        </>
      )}
      {sending && <em> {texts.waiting}</em>}
      {refusal && <em> {texts.refused}</em>}
    </span>
  );
}
