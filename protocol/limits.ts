/** Every maximum the wire allows. A broker may be configured tighter and says so in `connected`. */

/** Channel names and patterns, bytes (they are ASCII) [P-5.1]. */
export const MAX_CHANNEL_BYTES = 255;

/** Segments between dots in a channel name or pattern [P-5.1]. */
export const MAX_CHANNEL_SEGMENTS = 32;

/** Access token, bytes, checked before any cryptography [P-4.4]. */
export const MAX_TOKEN_BYTES = 4096;

/** Request ids are unsigned 32-bit; 0 asks for no reply [P-3.6]. */
export const MAX_REQUEST_ID = 0xffff_ffff;

/** Offsets and counts stay exact in a double. */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER;

/** Nesting of arrays and maps in a client's frame; the frame itself is level 1 [P-3.8]. */
export const MAX_COMMAND_DEPTH = 4;

/** Nesting a client must be ready for in a broker's frame. */
export const MAX_PUSH_DEPTH = 8;

/** Fields of one client frame, known and unknown together [P-3.8]. */
export const MAX_COMMAND_FIELDS = 16;

/** Encoded meta field of a publication, bytes [P-6.9]. */
export const MAX_META_BYTES = 4096;

/** Headers in one meta field, and the bytes of a header's name and value [P-6.9]. */
export const MAX_HEADERS = 16;
export const MAX_HEADER_NAME_BYTES = 64;
export const MAX_HEADER_VALUE_BYTES = 1024;

/** Publication id, conflation key: bytes [P-6.9]. */
export const MAX_META_STRING_BYTES = 256;

/** W3C trace context header, bytes [P-6.9]. */
export const MAX_TRACEPARENT_BYTES = 64;
export const MAX_TRACESTATE_BYTES = 512;

/** Epoch of a stream, bytes [P-7.1]. */
export const MAX_EPOCH_BYTES = 32;

/** Publications asked for in one history command or `last` recovery [P-6.5, P-6.2]. */
export const MAX_HISTORY_LIMIT = 1000;

/** The name a client gives itself in connect, bytes [P-6.1]. */
export const MAX_CLIENT_NAME_BYTES = 64;

/** A WebSocket close reason, bytes (RFC 6455 5.5.1). */
export const MAX_CLOSE_REASON_BYTES = 123;
