import { isChannelName, isChannelPattern } from "../protocol/channel-name.ts";
import { Code } from "../protocol/codes.ts";
import type { HistoryResult } from "../protocol/messages/history.ts";
import { EMPTY_META } from "../protocol/messages/meta.ts";
import type { PublicationMeta } from "../protocol/messages/meta.ts";
import type { PresenceMember } from "../protocol/messages/presence.ts";
import type { PublishedResult } from "../protocol/messages/publish.ts";
import type { StreamPosition } from "../protocol/position.ts";
import { BrokerError } from "./api.ts";
import type { BrokerApi, ChannelSummary, ConnectionSummary, HealthReport } from "./api.ts";
import type { Channel } from "./channels/channel.ts";
import { createClusterApi } from "./cluster/cluster-api.ts";
import type { ClusterApi } from "./cluster/cluster-api.ts";
import type {
  ChannelQuery,
  ConnectionQuery,
  DisconnectTarget,
  RevokeTarget,
} from "./cluster/directory.ts";
import type { BrokerContext } from "./context.ts";
import { encodeMeta } from "./meta.ts";
import type {
  TransformChange,
  TransformOutcome,
  TransformRunner,
  TransformStatus,
} from "./ports.ts";
import type { Stats } from "./stats.ts";
import { givenContext } from "./tracing/publish-trace.ts";
import { createTraceApi } from "./tracing/trace-api.ts";
import type { TraceApi } from "./tracing/trace-api.ts";
import { asChangeError } from "./transforms/change-error.ts";

/** What a broker can be asked from outside its sockets. */
export class NodeApi implements BrokerApi {
  readonly traces: TraceApi;
  readonly cluster: ClusterApi;
  readonly #context: BrokerContext;
  readonly #health: () => HealthReport;

  constructor(context: BrokerContext, health: () => HealthReport) {
    this.traces = createTraceApi(context.tracer, context.clock);
    this.cluster = createClusterApi(context.directory);
    this.#context = context;
    this.#health = health;
  }

  get stats(): Stats {
    return this.#context.stats;
  }

  publish(
    name: string,
    payload: Uint8Array,
    meta: Partial<PublicationMeta> | null = null,
    isTraceTrusted = true,
  ): Promise<PublishedResult> {
    return new Promise((resolve, reject) => {
      const { ingest, clock } = this.#context;
      const channel = this.#open(name);
      const { maxPayloadBytes } = channel.stream.options;
      if (payload.length > maxPayloadBytes) {
        throw new BrokerError(Code.tooLarge, `a payload may have ${maxPayloadBytes} bytes`);
      }
      const full = meta === null ? null : { ...EMPTY_META, ...meta };
      const encoded = full === null ? null : encodeMeta(full, clock.wallMs(), full.user);
      const publisher = {
        transformPending: 0,
        published: (_id: number, offset: number, epoch: string): void => resolve({ offset, epoch }),
        publishFailed: (_id: number, error: BrokerError): void => reject(error),
      };
      const [id, key] = full === null ? [null, null] : [full.id, full.key];
      const end = payload.length;
      const offset = ingest.publish(
        channel,
        payload,
        0,
        end,
        encoded,
        id,
        key,
        publisher,
        1,
        givenContext(full, isTraceTrusted),
        full === null ? null : full.timeMs,
      );
      if (offset > 0) resolve({ offset, epoch: channel.stream.epoch });
    });
  }

  async history(
    name: string,
    query: { limit: number; since: StreamPosition | null },
  ): Promise<HistoryResult> {
    const { stream } = this.#open(name);
    if (stream.options.historySize === 0) {
      throw new BrokerError(Code.disabled, "history is off for this channel");
    }
    return this.#context.engine.history(stream, query);
  }

  async presence(name: string): Promise<readonly PresenceMember[]> {
    const { stream } = this.#open(name);
    if (!stream.options.presence) {
      throw new BrokerError(Code.disabled, "presence is off for this channel");
    }
    return this.#context.engine.presence(stream);
  }

  #open(name: string): Channel {
    if (!isChannelName(name)) throw new BrokerError(Code.badChannel, "not a valid channel name");
    return this.#context.hub.open(name);
  }

  async channels(query: ChannelQuery): Promise<readonly ChannelSummary[]> {
    if (!isChannelPattern(query.pattern)) {
      throw new BrokerError(Code.badChannel, "not a valid pattern");
    }
    return this.#context.directory.channels(query);
  }

  async connections(query: ConnectionQuery): Promise<readonly ConnectionSummary[]> {
    return this.#context.directory.connections(query);
  }

  async disconnect(target: DisconnectTarget): Promise<number> {
    return this.#context.directory.disconnect(target);
  }

  async revoke(target: RevokeTarget): Promise<number> {
    return this.#context.directory.revoke(target);
  }

  transforms(): readonly TransformStatus[] {
    return this.#context.transforms?.status() ?? [];
  }

  async changeTransform(change: TransformChange): Promise<TransformStatus> {
    const runner = this.#runnerOf(change.id);
    try {
      return await runner.change(change);
    } catch (error) {
      throw asChangeError(error);
    }
  }

  async dryRunTransform(
    request: Parameters<TransformRunner["dryRun"]>[0],
  ): Promise<readonly TransformOutcome[]> {
    const runner = this.#runnerOf(request.id);
    try {
      return await runner.dryRun(request);
    } catch (error) {
      throw asChangeError(error);
    }
  }

  #runnerOf(id: string): TransformRunner {
    const { transforms } = this.#context;
    if (transforms?.status().some((one) => one.id === id) === true) return transforms;
    throw new BrokerError(Code.notFound, "there is no such transform");
  }

  health(): HealthReport {
    return this.#health();
  }
}
