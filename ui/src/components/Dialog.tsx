import type { FormEvent, ReactNode } from "react";
import { useState } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { messageOf } from "@/core/errors";
import styles from "./Dialog.module.css";

interface Props {
  title: string;
  /** What the button that acts is called. */
  action: string;
  isDangerous?: boolean;
  children?: ReactNode;
  onAct: () => Promise<unknown> | unknown;
  onClose: () => void;
}

/** A question with one act. An error stays in the dialog, so that nothing that was typed is lost. */
export function Dialog({ title, action, isDangerous, children, onAct, onClose }: Props) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await onAct();
      onClose();
    } catch (problem) {
      setError(messageOf(problem));
      setBusy(false);
    }
  };
  return (
    <ModalOverlay isOpen isDismissable={!busy} onOpenChange={(open) => !open && onClose()} className="overlay">
      <Modal className="modal">
        <AriaDialog>
          <form className={styles.form} onSubmit={submit}>
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            <div className={styles.body}>{children}</div>
            {error && (
              <p role="alert" className={styles.error}>
                {error}
              </p>
            )}
            <div className={styles.buttons}>
              <button type="button" className="button" onClick={onClose} disabled={busy}>
                Cancel
              </button>
              <button type="submit" className="button" data-kind={isDangerous ? "danger" : "primary"} disabled={busy}>
                {action}
              </button>
            </div>
          </form>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** A labelled line of a dialog. */
export function Field({ label, children, hint }: { label: string; children: ReactNode; hint?: string }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label className={styles.field}>
      <span>{label}</span>
      {children}
      {hint && <small className="muted">{hint}</small>}
    </label>
  );
}

/** A line of text of a dialog. What a dialog is about is `isMain`: it must not be empty, and typing starts there. */
export function TextField(props: {
  label: string;
  hint?: string;
  value: string;
  isMain?: boolean;
  maxLength?: number;
  onChange: (text: string) => void;
}) {
  const { label, hint, value, isMain = false, maxLength, onChange } = props;
  return (
    <Field label={label} {...(hint === undefined ? {} : { hint })}>
      <input
        className="input"
        // biome-ignore lint/a11y/noAutofocus: a dialog opens to be answered
        autoFocus={isMain}
        required={isMain}
        maxLength={maxLength}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </Field>
  );
}
