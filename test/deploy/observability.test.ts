import { describe, expect, test } from "bun:test";

import { resolveConfig } from "../../broker/config/resolve.ts";
import { readTelemetrySettings } from "../../otel/settings.ts";
import { exists, readDeploy, readYaml, ROOT, strangersIn } from "./deploy-files.ts";

// Aim: what deploy/ says is true of this broker, without Docker: names, options, files and ports are held against the code.

const FOLDER = `${ROOT}deploy/observability`;

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly command?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: unknown;
  readonly stop_grace_period?: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly exemplar?: boolean }[];
}

const { services } = readYaml("observability/compose.yaml") as {
  readonly services: Readonly<Record<string, Service>>;
};
const names = Object.keys(services);
const brokers = names.filter((name) => name.startsWith("broker-"));
const { datasources } = readYaml(
  "observability/grafana/provisioning/datasources/datasources.yaml",
) as {
  readonly datasources: readonly {
    readonly uid: string;
    readonly type: string;
    readonly url: string;
    readonly jsonData?: {
      readonly exemplarTraceIdDestinations?: readonly {
        readonly name: string;
        readonly datasourceUid: string;
      }[];
    };
  }[];
};
const dashboard = JSON.parse(readDeploy("observability/grafana/dashboards/tickwire.json")) as {
  readonly panels: readonly Panel[];
};

/** With the defaults of `${NAME:-default}`. */
function filledIn(environment: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1"),
    ]),
  );
}

describe("the compose file", () => {
  test("has two brokers, and what looks into them", () => {
    expect(names.toSorted()).toEqual(
      ["broker-a", "broker-b", "grafana", "jaeger", "prometheus", "redis"].toSorted(),
    );
    for (const [name, { image, build }] of Object.entries(services)) {
      expect([name, (image ?? build?.dockerfile) !== undefined]).toEqual([name, true]);
      // A tag that says which: what worked once goes on working.
      if (image !== undefined) expect(image).toMatch(/:v?\d+\.\d+/);
    }
  });

  test.each(brokers)("configures %s with options there are", async (name) => {
    const environment = filledIn(services[name]?.environment);
    const env = Object.fromEntries(
      Object.entries(environment).filter(([key]) => key.startsWith("TICKWIRE_")),
    );
    const { config } = await resolveConfig({ argv: ["--host", "0.0.0.0"], env, cwd: FOLDER });
    expect(config.node).toBe(name);
    expect(config.redis).toEqual(["redis://redis:6379"]);
    const { traces, metrics, warnings } = readTelemetrySettings(environment);
    expect([traces?.url, metrics, warnings]).toEqual(["http://jaeger:4318/v1/traces", null, []]);
    const graceMs = Number.parseInt(services[name]?.stop_grace_period ?? "0", 10) * 1000;
    expect(graceMs).toBeGreaterThan(config.drainMs);
  });

  test("names only services and files that are there", () => {
    for (const [name, { depends_on: needed = {}, volumes = [], build }] of Object.entries(
      services,
    )) {
      for (const [other, { condition }] of Object.entries(needed)) {
        expect([name, names]).toEqual([name, expect.arrayContaining([other])]);
        if (condition === "service_healthy") expect(services[other]?.healthcheck).toBeDefined();
      }
      for (const volume of volumes) {
        const [from = ""] = volume.split(":");
        expect([volume, exists(`${FOLDER}/${from}`)]).toEqual([volume, true]);
      }
      if (build === undefined) continue;
      expect(exists(`${FOLDER}/${build.context}/${build.dockerfile}`)).toBe(true);
    }
  });

  test("reaches hosts by their services", () => {
    const texts = [
      readDeploy("observability/compose.yaml"),
      readDeploy("observability/grafana/provisioning/datasources/datasources.yaml"),
    ];
    const hosts = texts.flatMap((text) =>
      [...text.matchAll(/(?:http|redis):\/\/([\w-]+):\d+/g)].map(([, host = ""]) => host),
    );
    expect(hosts.length).toBeGreaterThan(4);
    for (const host of hosts) expect([...names, "localhost"]).toContain(host);
  });

  test("opens ports on this machine only", () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    expect(new Set(ports.map((port) => port.split(":")[1])).size).toBe(ports.length);
  });
});

describe("Prometheus", () => {
  test("scrapes both brokers, keeps exemplars and knows the alerts", () => {
    const config = readYaml("observability/prometheus.yml") as {
      readonly rule_files: readonly string[];
      readonly scrape_configs: readonly {
        readonly metrics_path: string;
        readonly static_configs: readonly { readonly targets: readonly string[] }[];
      }[];
    };
    const [job] = config.scrape_configs;
    expect(job?.metrics_path).toBe("/metrics");
    expect(job?.static_configs[0]?.targets).toEqual(brokers.map((name) => `${name}:9300`));
    for (const file of config.rule_files) expect(exists(`${FOLDER}/${file}`)).toBe(true);
    expect(services["prometheus"]?.command).toContain("--enable-feature=exemplar-storage");
  });

  test("alerts on instruments and values there are", () => {
    const { groups } = readYaml("observability/alerts.yml") as {
      readonly groups: readonly {
        readonly rules: readonly {
          readonly alert: string;
          readonly expr: string;
          readonly labels: { readonly severity: string };
          readonly annotations: { readonly summary: string };
        }[];
      }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    for (const { alert, expr, labels, annotations } of rules) {
      expect([alert, strangersIn(expr)]).toEqual([alert, []]);
      expect(["page", "ticket"]).toContain(labels.severity);
      expect(annotations.summary.length).toBeGreaterThan(10);
    }
    const wanted = ["DeliverySlow", "Drops", "SlowConsumers", "TransformTripped"];
    const more = ["RedisShardDown", "TelemetryDropping", "EventLoopLag"];
    const found = rules.map(({ alert }) => alert.replace("Tickwire", ""));
    expect(found).toEqual(expect.arrayContaining([...wanted, ...more]));
  });
});

describe("the dashboard", () => {
  test("asks for instruments and values there are", () => {
    const expressions = dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ title, expr: expr.replaceAll('=~"$instance"', '=~".*"') })),
    );
    expect(expressions.length).toBeGreaterThan(20);
    for (const { title, expr } of expressions) {
      expect([title, strangersIn(expr)]).toEqual([title, []]);
      expect(expr).toMatch(/\btickwire_|\bprocess_/);
    }
  });

  test("has a row for each question", () => {
    const rows = dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title);
    expect(rows).toHaveLength(6);
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("has panels that do not overlap and use data sources there are", () => {
    const taken = new Set<string>();
    const uids = datasources.map(({ uid }) => uid);
    for (const { title, type, gridPos, datasource } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.has(`${x},${y}`)]).toEqual([title, false]);
          taken.add(`${x},${y}`);
        }
      }
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      if (type !== "row") expect(uids).toContain(datasource?.uid ?? "");
    }
  });

  test("leads from exemplars of latencies to their traces", () => {
    const withExemplars = dashboard.panels.filter(({ targets = [] }) =>
      targets.some(({ exemplar }) => exemplar === true),
    );
    expect(withExemplars.length).toBeGreaterThanOrEqual(3);
    for (const { targets = [] } of withExemplars) {
      for (const { expr } of targets) expect(expr).toContain("_bucket{");
    }
    const prometheus = datasources.find(({ type }) => type === "prometheus");
    const [link] = prometheus?.jsonData?.exemplarTraceIdDestinations ?? [];
    // The label our exemplars carry.
    expect(link?.name).toBe("trace_id");
    expect(datasources.find(({ uid }) => uid === link?.datasourceUid)?.type).toBe("jaeger");
  });
});

describe("the check of expressions", () => {
  test.each([
    ["rate(tickwire_dropped_total[5m])", ["tickwire_dropped_total"]],
    ["tickwire_connections_bucket", ["tickwire_connections_bucket"]],
    ['tickwire_redis_shards{status="down"}', ["tickwire_redis_shards{status}"]],
    ['tickwire_redis_shards{state=~"down|gone"}', ['tickwire_redis_shards{state="gone"}']],
    ["sum by (channel) (tickwire_connections)", ["tickwire_connections by channel"]],
    ['sum by (le) (tickwire_stage_duration_seconds_bucket{stage="bus"})', []],
  ])("finds what is wrong with %s", (expression, strangers) => {
    expect(strangersIn(expression)).toEqual(strangers);
  });
});

describe("the image", () => {
  const dockerfile = readDeploy("Dockerfile");

  test("has every folder that the broker runs from", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      ([, list = ""]) => list.split(" "),
    );
    for (const path of copied) expect([path, exists(`${ROOT}${path}`)]).toEqual([path, true]);
    const allowed = readDeploy("Dockerfile.dockerignore");
    for (const path of copied) expect(allowed).toContain(`!${path}\n`);
    // What serve imports, directly or not.
    for (const folder of ["protocol", "broker", "workers", "otel", "client", "cli"]) {
      expect(copied).toContain(folder);
    }
  });

  test("runs under the Bun this is written for, as nobody in particular", async () => {
    const manifest = (await import("../../package.json")).default;
    const versions = [...dockerfile.matchAll(/^FROM oven\/bun:([\d.]+)-/gm)].map(([, one]) => one);
    expect(new Set(versions)).toEqual(new Set([manifest.engines.bun]));
    expect(dockerfile).toMatch(/^USER bun$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  });
});

test("the Kubernetes deployment is one our probes and options fit", async () => {
  const manifest = readYaml("kubernetes/broker.yaml") as {
    readonly spec: {
      readonly template: {
        readonly spec: {
          readonly terminationGracePeriodSeconds: number;
          readonly containers: readonly {
            readonly env: readonly { readonly name: string; readonly value?: string }[];
            readonly livenessProbe: { readonly httpGet: { readonly path: string } };
            readonly readinessProbe: { readonly httpGet: { readonly path: string } };
            readonly lifecycle: {
              readonly preStop: { readonly exec: { readonly command: readonly string[] } };
            };
          }[];
        };
      };
    };
  };
  const { containers, terminationGracePeriodSeconds } = manifest.spec.template.spec;
  const [container] = containers;
  const env = Object.fromEntries(
    (container?.env ?? [])
      .filter(({ name }) => name.startsWith("TICKWIRE_"))
      .map(({ name, value }) => [name, value ?? "filled in by the cluster, 32 bytes or more"]),
  );
  const { config } = await resolveConfig({
    argv: ["--host", "0.0.0.0"],
    env: { ...env, TICKWIRE_NODE: "pod-1" },
    cwd: FOLDER,
  });
  const pauseS = Number(container?.lifecycle.preStop.exec.command[1]);
  expect(terminationGracePeriodSeconds * 1000).toBeGreaterThan(config.drainMs + pauseS * 1000);
  const { paths } = (await Bun.file(`${ROOT}docs/openapi.json`).json()) as { paths: object };
  for (const probe of [container?.livenessProbe, container?.readinessProbe]) {
    expect(Object.keys(paths)).toContain(probe?.httpGet.path ?? "");
  }
});
