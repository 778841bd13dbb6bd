// Requests to the daemon. Every failure becomes a problem with `code`, `detail` and `next_step`.

import { word } from "./words.js";

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export async function ask(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem({ code: "no-answer", detail: word("failed_request"), next_step: "" });
  }
  const text = await answer.text();
  let content = null;
  try {
    content = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem({ code: "no-answer", detail: word("failed_request"), next_step: "" });
  }
  if (!answer.ok) throw new Problem(content ?? { code: "no-answer", detail: word("failed_request"), next_step: "" });
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
