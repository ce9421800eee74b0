import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  help?: string;
  fault: string | undefined;
  wide?: boolean;
  children: (attributes: Record<string, string | undefined>) => ComponentChildren;
}

/** A control with its label, a few words of help, and what the server found wrong with it. */
export function Field({ label, help, fault, wide, children }: FieldProps) {
  const id = useId();
  const described = [help && `${id}-help`, fault && `${id}-fault`].filter(Boolean).join(" ");
  return (
    <div class={`field${wide ? " wide" : ""}`}>
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": fault ? "true" : undefined })}
      {help && (
        <small id={`${id}-help`} class="help">
          {help}
        </small>
      )}
      {fault && (
        <small id={`${id}-fault`} class="fault">
          {fault}
        </small>
      )}
    </div>
  );
}
