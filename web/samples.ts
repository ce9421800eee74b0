import type { Task } from "./settings.js";

/** Texts to start from, written for this page. */
export const SAMPLES: Record<Task, { label: string; text: string }[]> = {
  paraphrase: [
    { label: "Geologist", text: "How can I be a good geologist?" },
    { label: "Guitar", text: "What is the best way to learn the guitar at home?" },
    { label: "Astrology", text: "Why do people believe in astrology?" },
  ],
  summarize: [
    {
      label: "Bridge",
      text: "The town council of Marlow voted on Tuesday to close the old bridge over the river for repairs that should take eight months. Engineers found cracks in two of its stone piers during an inspection in March and warned that heavy lorries could do more harm. Shop owners said they feared losing customers while the crossing is shut. The council will pay for a temporary footbridge, which should open in June.",
    },
    {
      label: "Otters",
      text: "Otters have been seen in the centre of the city for the first time in forty years. A shopkeeper filmed a mother and two cubs below the market bridge on Sunday morning. The river trust said the water had become clean enough for fish to return after a sewage works was rebuilt five years ago. It asked walkers to keep dogs on a lead along the bank until the cubs are grown.",
    },
  ],
};
