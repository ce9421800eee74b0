import { render } from "preact";
import "./playground.css";

render(<main>Playground</main>, document.getElementById("app")!);
