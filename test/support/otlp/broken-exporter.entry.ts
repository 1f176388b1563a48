/** In the place of the exporter: cannot even be loaded. */
throw new Error("no such collector library");
