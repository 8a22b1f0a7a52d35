import type { ReactNode } from "react";

interface Attributes {
  id: string;
  className: string;
  "aria-describedby"?: string;
  "aria-invalid": boolean;
}

interface Props {
  id: string;
  label: string;
  hint?: string;
  error?: string;
  /** The control itself, with the attributes that tie label, hint and error to it. */
  children: (attributes: Attributes) => ReactNode;
}

/** A labelled control; what is wrong with it stands below it and is read out with it. */
export function Field({ id, label, hint, error, children }: Props) {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label id={`${id}-label`} htmlFor={id}>
        {label}
      </label>
      {children({
        id,
        className: "control",
        "aria-describedby": described || undefined,
        "aria-invalid": error !== undefined,
      })}
      {hint && (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="error">
          {error}
        </p>
      )}
    </div>
  );
}
