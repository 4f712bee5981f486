/** A button that opens a small panel below it. */
import type { ReactNode } from "react";
import { Popover as AriaPopover, Button, Dialog, DialogTrigger } from "react-aria-components";
import styles from "./Popover.module.css";

export function Popover({ label, title, children }: { label: ReactNode; title: string; children: ReactNode }) {
  return (
    <DialogTrigger>
      <Button className="button">{label}</Button>
      <AriaPopover className={styles.popover ?? ""} placement="bottom end">
        <Dialog className={styles.dialog ?? ""} aria-label={title}>
          {children}
        </Dialog>
      </AriaPopover>
    </DialogTrigger>
  );
}
