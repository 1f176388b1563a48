import type { LoadFailure } from "./worker-link.ts";

/**
 * The code of one version of a transform as it was when the version was first loaded: every worker of the version loads
 * this, whatever the files hold by then. Plain data, which crosses to workers.
 */
export interface PinnedCode {
  /** Absolute path of the module, and SHA-256 of its bytes in hex. */
  readonly file: string;
  readonly integrity: string;
  /** Where the package begins. */
  readonly root: string;
  readonly sources: readonly PinnedSource[];
  readonly imports: readonly PinnedImport[];
}

/** A file that is loaded under its own path from the text it had. */
export interface PinnedSource {
  readonly path: string;
  /** What the text is by now: JSON, for example, has become a module. */
  readonly loader: "ts" | "tsx" | "js" | "jsx";
  readonly text: string;
}

/** Where an import leads, so that a file that is gone is found all the same. */
export interface PinnedImport {
  /** Path of the file that imports. */
  readonly from: string;
  readonly specifier: string;
  readonly to: string;
}

/** The code of some stages, in their order. */
export type CollectReply =
  { readonly ok: true; readonly codes: readonly PinnedCode[] } | LoadFailure;
