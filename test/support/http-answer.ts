import { expect } from "bun:test";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Status and JSON body of an answer. */
export async function answered(answer: Promise<Response>): Promise<Answer> {
  const response = await answer;
  expect(response.headers.get("content-type")).toStartWith("application/json");
  return { status: response.status, body: await response.json() };
}

/** An answer that refuses with a code of this name. */
export function refusal(status: number, name: string): Answer {
  return { status, body: { error: expect.objectContaining({ name }) } };
}
