/** Asks for the key of a server that wants one. It is kept in this page's memory and nowhere else. */
export function KeyForm({ refused, use }: { refused: boolean; use: (key: string) => void }) {
  return (
    <form
      class="unlock"
      aria-label="API key"
      onSubmit={(event) => {
        event.preventDefault();
        use(String(new FormData(event.currentTarget).get("key")).trim());
      }}
    >
      <label>
        This server asks for an API key
        <input type="password" name="key" autocomplete="off" required />
      </label>
      <button type="submit">Use it</button>
      {refused && <p role="alert">This is not a key of the server.</p>}
    </form>
  );
}
