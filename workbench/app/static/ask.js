// A question to the API.

/** The JSON of an answer; throws an Error that says what the server said. */
export async function ask(path, options) {
  const answer = await fetch(path, options);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(told.error ?? `The server answered ${answer.status}.`), { status: answer.status });
  return told;
}
