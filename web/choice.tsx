interface Props<Value extends string> {
  attributes: Record<string, string | undefined>;
  value: Value | "";
  /** What leaving it alone means. */
  unset: string;
  values: readonly Value[];
  nameOf: (value: Value) => string;
  onChoose: (value: Value | "") => void;
}

/** A choice of one from a list, or of none, which leaves it to the server. */
export function Choice<Value extends string>({ attributes, value, unset, values, nameOf, onChoose }: Props<Value>) {
  return (
    <select {...attributes} value={value} onChange={(event) => onChoose(event.currentTarget.value as Value | "")}>
      <option value="">{unset}</option>
      {values.map((each) => (
        <option key={each} value={each}>
          {nameOf(each)}
        </option>
      ))}
    </select>
  );
}
