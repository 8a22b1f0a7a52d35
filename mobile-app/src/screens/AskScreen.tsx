import { IonButton, useIonRouter } from "@ionic/react";
import { useEffect, useRef, useState, type FormEvent } from "react";

import type { Flight } from "../../config/api.client";
import { Field } from "../components/Field";
import { Page } from "../components/Page";
import { PlaceField } from "../components/PlaceField";
import { ProblemNote } from "../components/ProblemNote";
import type { Problem } from "../rules/problem";
import { lastAsked } from "../rules/question";
import { tomorrowMorning } from "../rules/time";
import { useServices, useValue } from "../services/services";
import { strings } from "../strings";

const texts = strings.ask;
const FIELDS = ["origin", "destination", "carrier", "departure"] as const;
const HERE = "/ask";
type Name = (typeof FIELDS)[number];
type Errors = Partial<Record<Name, string>>;

/** After so many milliseconds a person is told that it is the network. */
const SLOW = 4_000;

/** The question: it starts as the last one that was asked. */
export function AskScreen() {
  const { questions, places } = useServices();
  const known = useValue(places);
  const router = useIonRouter();
  const form = useRef<HTMLFormElement>(null);
  const [flight, setFlight] = useState<Flight>(() => firstFlight(lastAsked(questions.get())?.flight));
  const [errors, setErrors] = useState<Errors>({});
  const [problem, setProblem] = useState<Problem>();
  const [sending, setSending] = useState(false);
  const slow = useSlow(sending);

  useEffect(() => {
    const first = FIELDS.find((name) => errors[name] !== undefined);
    if (first !== undefined) form.current?.querySelector<HTMLElement>(`#${first}`)?.focus();
  }, [errors]);

  function change(name: Name, value: string) {
    setFlight((current) => ({ ...current, [name]: value }));
    setErrors(({ [name]: _, ...others }) => others);
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (sending) return;
    setProblem(undefined);
    const empty = FIELDS.filter((name) => flight[name] === "");
    setErrors(Object.fromEntries(empty.map((name) => [name, texts.fillIn])));
    if (empty.length > 0) return;
    setSending(true);
    const id = await questions.ask(flight);
    setSending(false);
    const refusal = questions.find(id)?.refusal;
    if (refusal?.kind !== "refused") {
      // Who went on meanwhile is not called back.
      if (window.location.pathname === HERE) router.push(`${HERE}/${id}`);
      else questions.save(id, true);
      return;
    }
    const atFields = errorsAtFields(refusal);
    setErrors(atFields);
    // What stands at no field is told above the button.
    if (Object.keys(atFields).length === 0) setProblem(refusal);
  }

  const common = (name: Name) => ({ id: name, label: texts[name], value: flight[name], error: errors[name] });
  return (
    <Page title={texts.title}>
      <h1>{texts.heading}</h1>
      <form ref={form} onSubmit={(event) => void submit(event)} noValidate>
        <PlaceField
          {...common("origin")}
          hint={texts.originHint}
          places={known?.origins}
          onChange={(code) => change("origin", code)}
        />
        <PlaceField
          {...common("destination")}
          hint={texts.destinationHint}
          places={known?.destinations}
          onChange={(code) => change("destination", code)}
        />
        <PlaceField
          {...common("carrier")}
          hint={texts.carrierHint}
          places={known?.carriers}
          onChange={(code) => change("carrier", code)}
        />
        <Field id="departure" label={texts.departure} error={errors.departure}>
          {(attributes) => (
            <input
              {...attributes}
              type="datetime-local"
              value={flight.departure}
              onChange={(event) => change("departure", event.target.value)}
            />
          )}
        </Field>
        {problem && <ProblemNote problem={problem} />}
        <IonButton type="submit" expand="block" disabled={sending}>
          {sending ? texts.sending : texts.submit}
        </IonButton>
        <p role="status">{slow && texts.slow}</p>
      </form>
    </Page>
  );
}

function firstFlight(last: Flight | undefined): Flight {
  return last ?? { origin: "", destination: "", carrier: "", departure: tomorrowMorning(new Date()) };
}

function errorsAtFields(refusal: Extract<Problem, { kind: "refused" }>): Errors {
  const errors: Errors = {};
  for (const { path, allowed } of refusal.fields) {
    const name = FIELDS.find((field) => field === path);
    if (name !== undefined) errors[name] = texts.expected(allowed);
  }
  return errors;
}

function useSlow(sending: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    if (!sending) return;
    const timer = setTimeout(() => setSlow(true), SLOW);
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [sending]);
  return slow;
}
