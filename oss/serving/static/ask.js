// One question to the server; its answer comes line by line: progress, an early answer, the answer.
export async function* ask(question, signal) {
  const answer = await fetch("/what-if", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
    signal,
  });
  if (answer.status === 422) {
    yield { kind: "faults", faults: (await answer.json()).faults };
    return;
  }
  if (!answer.ok) throw new Error(await answer.text());
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}
