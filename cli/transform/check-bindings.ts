import { ConfigError } from "../../broker/config/config-error.ts";
import type { ConfigProblem } from "../../broker/config/config-error.ts";
import type { TransformBinding } from "../../broker/config/transforms.ts";
import { faultOf } from "../../workers/boundary/fault.ts";
import type { TransformFault } from "../../workers/boundary/worker-link.ts";
import { checkFit } from "../../workers/host/binding.ts";
import { TransformError } from "../../workers/host/host-types.ts";
import { checkConfig } from "../../workers/runtime/config-schema.ts";
import { StageError } from "../../workers/runtime/stage-error.ts";
import { prepareHere } from "./prepare.ts";

/**
 * Loads the module of every binding and has it check the binding's configuration, as a broker does when it starts.
 * What `setup` would do is not tried.
 * @param where what the bindings are from, as problems of a configuration name it
 * @throws ConfigError with every binding that a broker could not start with
 */
export async function checkBindings(
  bindings: readonly TransformBinding[],
  where: string,
): Promise<void> {
  const problems: ConfigProblem[] = [];
  for (const binding of bindings) {
    const message = await problemOf(binding);
    if (message !== null) problems.push({ where, message });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

async function problemOf(binding: TransformBinding): Promise<string | null> {
  let file: string | null = null;
  try {
    const { definition, manifest, module } = await prepareHere(binding);
    ({ file } = manifest);
    try {
      checkFit({ ...binding, index: 0 }, manifest);
      await module.run(() => checkConfig(definition.config, binding.config));
    } finally {
      module.dispose();
    }
    return null;
  } catch (error) {
    if (error instanceof TransformError) return error.message;
    const fault = error instanceof StageError ? error.fault : faultOf(error, "config", file);
    return `transform "${binding.id}": ${faultLine(fault)}`;
  }
}

function faultLine({ name, message, file, line }: TransformFault): string {
  const kind = name === "Error" || name === "TransformLoadError" ? "" : `${name}: `;
  const place = file === null ? "" : ` (${file}${line === null ? "" : `:${line}`})`;
  return `${kind}${message}${place}`;
}
