import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { dirname } from "node:path";

import { messageOf } from "./context.ts";
import type { HostContext } from "./context.ts";

export interface FileWatch {
  /** Watches the folders of these modules, by binding, and no others. */
  follow(files: ReadonlyMap<string, string>): void;
  close(): void;
}

/** Says which bindings have changed on the disk: any file in the folder of the module counts, as it may be imported. */
export function watchFiles(context: HostContext, onChange: (id: string) => void): FileWatch {
  const watchers = new Map<string, FSWatcher>();
  const idsByFolder = new Map<string, string[]>();
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const changed = (folder: string): void => {
    clearTimeout(timers.get(folder));
    const timer = setTimeout(() => {
      timers.delete(folder);
      for (const id of idsByFolder.get(folder) ?? []) onChange(id);
    }, context.times.reloadDebounceMs);
    timer.unref();
    timers.set(folder, timer);
  };
  const open = (folder: string): void => {
    try {
      const watcher = watch(folder, () => changed(folder));
      watcher.on("error", (error) => {
        context.logger.log("warn", "transform_watch_failed", { folder, message: messageOf(error) });
      });
      watchers.set(folder, watcher);
    } catch (error) {
      context.logger.log("warn", "transform_watch_failed", { folder, message: messageOf(error) });
    }
  };
  return {
    follow(files) {
      idsByFolder.clear();
      for (const [id, file] of files) {
        const folder = dirname(file);
        const ids = idsByFolder.get(folder);
        if (ids === undefined) idsByFolder.set(folder, [id]);
        else ids.push(id);
        if (!watchers.has(folder)) open(folder);
      }
      for (const [folder, watcher] of watchers) {
        if (idsByFolder.has(folder)) continue;
        watcher.close();
        watchers.delete(folder);
      }
    },
    close() {
      for (const watcher of watchers.values()) watcher.close();
      for (const timer of timers.values()) clearTimeout(timer);
      watchers.clear();
      timers.clear();
    },
  };
}
