import type { Broker } from "../../broker/broker.ts";
import { buildConfig } from "../../broker/config/config.ts";
import type { ConfigInput } from "../../broker/config/config.ts";
import { createBroker } from "../../broker/main.ts";
import type { BrokerOptions } from "../../broker/main.ts";

export interface TestBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly port: number;
  /** `ws://host:port` */
  readonly url: string;
  /** `http://host:port` */
  readonly httpUrl: string;
}

/**
 * Starts a broker of the real parts in this process, on a free port, with a silent log
 * unless one is given. It is stopped, and
 * its connections closed, when the returned object is disposed.
 */
export async function startBroker(input: ConfigInput & BrokerOptions = {}): Promise<TestBroker> {
  const { clock, logger, ...rest } = input;
  const config = buildConfig({ port: 0, log: "silent", ...rest });
  const broker = createBroker(config, {
    ...(clock === undefined ? {} : { clock }),
    ...(logger === undefined ? {} : { logger }),
  });
  await broker.start();
  const { port, url } = broker;
  return {
    broker,
    port,
    url,
    httpUrl: url.replace(/^ws:/, "http:"),
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}
