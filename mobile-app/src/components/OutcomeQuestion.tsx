import { IonButton } from "@ionic/react";

import { awaitsOutcome, type Question } from "../rules/question";
import { useNow, useServices } from "../services/services";
import { strings } from "../strings";

const texts = strings.outcome;

/** "Was it late?", once a saved flight is over; then what became of the answer. */
export function OutcomeQuestion({ question }: { question: Question }) {
  const { questions } = useServices();
  const now = useNow(60_000);
  if (question.outcome !== undefined) {
    return (
      <p className="outcome" role="status">
        {texts[question.outcome.state]}
      </p>
    );
  }
  if (!awaitsOutcome(question, now)) return null;
  return (
    <div className="outcome" role="group" aria-label={texts.question}>
      <p>{texts.question}</p>
      <IonButton fill="outline" onClick={() => void questions.tellOutcome(question.id, true)}>
        {texts.yes}
      </IonButton>
      <IonButton fill="outline" onClick={() => void questions.tellOutcome(question.id, false)}>
        {texts.no}
      </IonButton>
    </div>
  );
}
