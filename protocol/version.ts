/**
 * Version of the wire protocol. A change to op.ts, codes.ts or the field order of a message bumps
 * it; `test/protocol/fingerprint.test.ts` fails until that is done.
 *
 * 1  first version
 */
export const PROTOCOL_VERSION = 1;

/** The oldest version a broker of this tree still speaks. */
export const MIN_PROTOCOL_VERSION = 1;

/** WebSocket subprotocol of the binary format [P-2.1]. */
export const SUBPROTOCOL_MSGPACK = "tickwire.v1.msgpack";

/** WebSocket subprotocol of the text format for people with a browser console [P-2.1]. */
export const SUBPROTOCOL_JSON = "tickwire.v1.json";

/** An offered subprotocol that starts so carries an access token in the rest of its name [P-4.3]. */
export const SUBPROTOCOL_TOKEN_PREFIX = "tickwire.token.";
