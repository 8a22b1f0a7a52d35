import { defineConfig } from "vitest/config";

import { dev } from "./config/dev.config";
import { prod, stage } from "./config/prod.config";
import packageFile from "./package.json" with { type: "json" };

// The one origin that a developer's browser and a page of the bundle itself need; the shell's addresses come with it.
const backends = [dev, stage, prod].map(({ api }) => api).join(" ");
const policy =
  `default-src 'self'; connect-src 'self' ${backends}; img-src 'self' data:; ` +
  "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'";

export default defineConfig({
  define: { __APP_VERSION__: JSON.stringify(packageFile.version) },
  plugins: [
    {
      name: "content-security-policy",
      apply: "build",
      transformIndexHtml: () => [
        { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
      ],
    },
  ],
  // `npm run dev` in a browser: the dev environment's router answers what is below /api.
  server: { proxy: { "/api": dev.api } },
  build: {
    target: ["chrome111", "safari16.4"],
    reportCompressedSize: false,
    // Beside the files, which do not name them: errors on devices are read by them, no device gets one.
    sourcemap: "hidden",
    rolldownOptions: {
      treeshake: {
        // Ionic's packages do not say so, but a component that nobody imports does nothing: four tenths of the bundle.
        moduleSideEffects: [{ test: /@ionic\/(core|react)\/.*\.js$/, sideEffects: false }],
      },
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
