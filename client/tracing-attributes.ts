/** Value of `messaging.system`. */
export const MESSAGING_SYSTEM = "tickwire";

/**
 * Attributes of the client's spans, named as the broker names them: those of OpenTelemetry's semantic conventions where
 * there is one.
 */
export const ClientAttribute = {
  system: "messaging.system",
  operationName: "messaging.operation.name",
  /** send or process. */
  operationType: "messaging.operation.type",
  channel: "messaging.destination.name",
  /** What the application calls channels of this kind. */
  template: "messaging.destination.template",
  messageId: "messaging.message.id",
  bodySize: "messaging.message.body.size",
  /** The broker's name for this connection. */
  clientId: "messaging.client.id",
  errorType: "error.type",
  epoch: "tickwire.epoch",
  offset: "tickwire.offset",
} as const;
