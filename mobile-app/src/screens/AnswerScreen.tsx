import { IonButton, IonSpinner } from "@ionic/react";
import { useEffect } from "react";
import { useParams } from "react-router";

import type { Prediction } from "../../config/api.client";
import { DayOutlook } from "../components/DayOutlook";
import { FlightSummary } from "../components/FlightSummary";
import { OutcomeQuestion } from "../components/OutcomeQuestion";
import { Page } from "../components/Page";
import { ProblemNote } from "../components/ProblemNote";
import { chanceOf } from "../rules/chance";
import type { Question } from "../rules/question";
import { ageOf } from "../rules/time";
import { useNow, useServices, useValue } from "../services/services";
import { strings } from "../strings";

const texts = strings.answer;

/** One question: its answer, or why there is none yet. */
export function AnswerScreen({ backTo }: { backTo: string }) {
  const { id } = useParams();
  const question = useValue(useServices().questions).find((each) => each.id === id);
  return (
    <Page title={texts.title} backTo={backTo}>
      {question === undefined ? <p>{texts.gone}</p> : <QuestionView question={question} />}
    </Page>
  );
}

function QuestionView({ question }: { question: Question }) {
  const { questions } = useServices();
  const { id, answer, saved, sending, refusal, outlook } = question;

  useEffect(() => void questions.loadOutlook(id), [questions, id, answer]);

  return (
    <>
      <h1>
        <FlightSummary flight={question.flight} />
      </h1>
      {sending && <Waiting question={question} />}
      {refusal && <ProblemNote problem={refusal} onAgain={() => void questions.askAgain(id)} />}
      {answer && <Answer answer={answer} answeredAt={question.answeredAt ?? 0} />}
      <OutcomeQuestion question={question} />
      <div className="actions">
        <IonButton expand="block" fill={saved ? "outline" : "solid"} onClick={() => questions.save(id, !saved)}>
          {saved ? texts.remove : texts.save}
        </IonButton>
        {answer && (
          <IonButton
            expand="block"
            fill="outline"
            disabled={sending !== undefined}
            onClick={() => void questions.askAgain(id)}
          >
            {texts.again}
          </IonButton>
        )}
      </div>
      {outlook && outlook.hours.length > 0 && <DayOutlook outlook={outlook} departure={question.flight.departure} />}
      {answer && (
        <section>
          <h2>{texts.restsOn}</h2>
          <p>{texts.restsOnText(answer.basis)}</p>
          <p>{texts.model(answer.model_version)}</p>
        </section>
      )}
    </>
  );
}

function Waiting({ question: { sending, answer } }: { question: Question }) {
  return (
    <div className="waiting">
      <p role="status">
        <IonSpinner aria-hidden="true" /> {answer ? texts.waitingAgain : texts.waiting}
      </p>
      {sending?.problem && <ProblemNote problem={sending.problem} retryAt={sending.notBefore} />}
    </div>
  );
}

function Answer({ answer, answeredAt }: { answer: Prediction; answeredAt: number }) {
  const now = useNow(10_000);
  const chance = chanceOf(answer.probability);
  return (
    <div className="answer">
      <div role="status">
        <p className="verdict">{answer.late ? texts.late : texts.onTime}</p>
        <p className="figure">{texts.percent(answer.probability)}</p>
        <Dots count={chance.of === 10 ? chance.count : answer.probability < 0.5 ? 0 : 10} />
        <p>{texts.sentence(chance)}</p>
      </div>
      {/* Outside: a status is read out anew when anything in it changes, and an age does every minute. */}
      <p className="age">{texts.asOf(strings.age(ageOf(answeredAt, now)))}</p>
    </div>
  );
}

/** The same chance as a picture, for those who see it. */
function Dots({ count }: { count: number }) {
  return (
    <div className="dots" aria-hidden="true">
      {Array.from({ length: 10 }, (_, index) => (
        <span key={index} className={index < count ? "late" : ""} />
      ))}
    </div>
  );
}
