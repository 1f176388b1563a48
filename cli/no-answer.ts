/**
 * Why a request got no answer, in words for people.
 * @param error what `fetch`, or reading the body of its answer, failed with
 * @param waitedMs how long it was to be waited for
 */
export function noAnswerText(error: unknown, url: string, waitedMs: number): string {
  const { name, code, message } = error as Error & { readonly code?: unknown };
  if (name === "TimeoutError") return `it gave no answer for ${waitedMs / 1000} s`;
  return connectFailureText(typeof code === "string" ? code : "", url) ?? message;
}

/** What a code of a failed connection means; null for one that says nothing more than its message. */
export function connectFailureText(code: string, url: string): string | null {
  switch (code) {
    case "ECONNREFUSED":
      return "nothing listens there";
    case "ENOTFOUND":
      return "there is no host of that name";
    case "ECONNRESET":
      return `it ended the connection without an answer${isSecure(url) ? "" : ", as servers do that want https or wss"}`;
    case "EPROTO":
      return "it speaks no TLS; http or ws instead of https or wss goes without";
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return "its certificate is of no authority known here; NODE_EXTRA_CA_CERTS=<file> makes one known";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return "its certificate is for another host name";
    case "CERT_HAS_EXPIRED":
      return "its certificate has expired";
    default:
      return null;
  }
}

function isSecure(url: string): boolean {
  return /^(https|wss):/i.test(url);
}

/** What to add to a refusal: whoever showed no token hears how to. */
export function tokenHint(code: string, token: string): string {
  return code === "unauthorized" && token === "" ? "; --token or TICKWIRE_TOKEN gives one" : "";
}

/** A URL as messages have it: without the user and the password that may stand in it. */
export function shownUrl(url: string): string {
  const { username, password } = new URL(url);
  return username === "" && password === "" ? url : url.replace(/\/\/[^/@]*@/, "//***@");
}
