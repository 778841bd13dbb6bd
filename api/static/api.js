// Requests to the daemon. Every failure becomes a problem with `code`, `detail` and `next_step`, in both languages.

import { ownProblem } from "./words.js";

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

const noAnswer = () => new Problem(ownProblem("no-answer", "failed_request"));

export async function ask(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw noAnswer();
  }
  const text = await answer.text();
  let content = null;
  try {
    content = text ? JSON.parse(text) : null;
  } catch {
    throw noAnswer();
  }
  if (!answer.ok) throw content?.code ? new Problem(content) : noAnswer(); // a proxy's words are not the daemon's
  return content;
}

// true: the operator; false: a token is needed; null: nobody answers.
export async function signedIn() {
  try {
    return (await ask("GET", "/session")).operator;
  } catch {
    return null;
  }
}

// A key by which a request can be sent again without doing it twice. crypto.randomUUID is missing on plain http.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
