import { IonButton, IonButtons, IonContent, IonHeader, IonModal, IonSearchbar, IonTitle, IonToolbar } from "@ionic/react";
import { useCallback, useState } from "react";

import type { Place } from "../../config/api.client";
import { nameOf } from "../services/places.service";
import { strings } from "../strings";
import { Field } from "./Field";

interface Props {
  id: string;
  label: string;
  /** Shown where the names are not known and a code is typed. */
  hint: string;
  places: Place[] | undefined;
  value: string;
  error?: string;
  onChange: (code: string) => void;
}

/** An airport or airline: chosen by name where names are known, else its code is typed. */
export function PlaceField(props: Props) {
  return props.places === undefined ? <CodeInput {...props} /> : <PlaceChooser {...props} places={props.places} />;
}

function CodeInput({ id, label, hint, value, error, onChange }: Props) {
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(attributes) => (
        <input
          {...attributes}
          value={value}
          onChange={(event) => onChange(event.target.value.toUpperCase().trim())}
          autoCapitalize="characters"
          autoComplete="off"
          spellCheck={false}
          maxLength={3}
        />
      )}
    </Field>
  );
}

function PlaceChooser({ id, label, places, value, error, onChange }: Props & { places: Place[] }) {
  const [open, setOpen] = useState(false);
  const [sought, setSought] = useState("");
  const found = matching(places, sought);
  // Ionic hands the name on to the dialog inside; given as a property, it would come back on the element around it.
  const named = useCallback((modal: HTMLIonModalElement | null) => modal?.setAttribute("aria-label", label), [label]);

  function choose(code: string) {
    onChange(code);
    setOpen(false);
  }

  return (
    <>
      <Field id={id} label={label} error={error}>
        {(attributes) => (
          <button
            {...attributes}
            type="button"
            aria-haspopup="dialog"
            aria-labelledby={`${id}-label ${id}`}
            onClick={() => setOpen(true)}
          >
            {value === "" ? strings.ask.choose : `${nameOf(places, value)} (${value})`}
          </button>
        )}
      </Field>
      <IonModal
        ref={named}
        isOpen={open}
        onDidDismiss={() => {
          setOpen(false);
          setSought("");
        }}
      >
        <IonHeader>
          <IonToolbar>
            <IonTitle>{label}</IonTitle>
            <IonButtons slot="end">
              <IonButton onClick={() => setOpen(false)}>{strings.ask.close}</IonButton>
            </IonButtons>
          </IonToolbar>
          <IonToolbar>
            <IonSearchbar
              placeholder={strings.ask.search}
              value={sought}
              debounce={0}
              onIonInput={(event) => setSought(event.detail.value ?? "")}
            />
          </IonToolbar>
        </IonHeader>
        <IonContent>
          <ul className="places" aria-label={label}>
            {found.map(({ code, name }) => (
              <li key={code}>
                <button type="button" aria-pressed={code === value} onClick={() => choose(code)}>
                  <span>{name}</span> <span className="code">{code}</span>
                </button>
              </li>
            ))}
          </ul>
          <p className="places-none" role="status">
            {found.length === 0 && strings.ask.none}
          </p>
        </IonContent>
      </IonModal>
    </>
  );
}

function matching(places: Place[], sought: string): Place[] {
  const words = sought.toLowerCase().split(/\s+/);
  return places.filter(({ code, name }) => {
    const text = `${name} ${code}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
