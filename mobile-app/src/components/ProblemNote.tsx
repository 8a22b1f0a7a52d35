import { IonButton } from "@ionic/react";

import { passes, type Problem } from "../rules/problem";
import { useNow } from "../services/services";
import { strings } from "../strings";

interface Props {
  problem: Problem;
  /** Milliseconds since 1970 at which it is sent again by itself, if it is. */
  retryAt?: number;
  onAgain?: () => void;
}

/** What happened, what to do, and the request's id for those who look for it. */
export function ProblemNote({ problem, retryAt, onAgain }: Props) {
  const now = useNow(1000);
  const requestId = "requestId" in problem ? problem.requestId : undefined;
  const seconds = retryAt === undefined ? undefined : Math.ceil((retryAt - now) / 1000);
  return (
    <div className="problem">
      <p role="alert">{strings.problem.text(problem)}</p>
      {seconds !== undefined && problem.kind !== "offline" && (
        <p>{seconds > 0 ? strings.problem.retryIn(seconds) : strings.problem.retryNow}</p>
      )}
      {requestId && <p className="request-id">{strings.problem.requestId(requestId)}</p>}
      {onAgain && !passes(problem) && problem.kind !== "refused" && (
        <IonButton onClick={onAgain}>{strings.problem.again}</IonButton>
      )}
    </div>
  );
}
