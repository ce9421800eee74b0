/** Questions of three lengths, written for the benchmarks. */
export const QUESTIONS = [
  "Is tea good for you?",
  "Who wrote this song?",
  "Why do cats purr?",
  "How old is the sun?",
  "How can I learn to play the guitar at home without a teacher?",
  "What is the best way to save money while studying at a university abroad?",
  "Which language should I learn first if I want to build games for phones?",
  "Why do some people remember their dreams and others never do after waking up?",
  "I have worked as a nurse for ten years and want to become a doctor; what would I have to study, how long would it take and could I keep my job?",
  "My old laptop gets very hot and slow after an hour of video calls, although I cleaned its fan and closed all other programs; what else can I try?",
  "We plan to walk through the mountains for two weeks in early spring with small children; which route would be safe and what should we carry with us?",
  "If two cars start at the same time from cities three hundred miles apart and drive at different speeds, how do I find out when and where they meet?",
] as const;

/** An article of the usual length, written for the benchmarks. */
export const ARTICLE =
  "Otters have been seen in the centre of the city for the first time in forty years. A shopkeeper filmed a mother and two cubs below the market bridge on Sunday morning. " +
  "The river trust said the water had become clean enough for fish to return after a sewage works was rebuilt five years ago. It asked walkers to keep dogs on a lead along the bank until the cubs are grown.";
