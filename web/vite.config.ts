import { svelte } from '@sveltejs/vite-plugin-svelte'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

// `fragments: 'tree'` makes Svelte build its templates with createElement, so
// the page runs under `trusted-types 'none'`: no string ever becomes markup.
const components = svelte({
  compilerOptions: { runes: true, fragments: 'tree' },
  // Some libraries still ship components in the older syntax.
  dynamicCompileOptions: ({ filename }) =>
    filename.includes('node_modules') ? { runes: undefined } : undefined,
})

type Plugin = Extract<NonNullable<ViteUserConfig['plugins']>[number], { name: string }>

// KaTeX names each font in three formats; every browser that runs the page reads woff2.
const onlyWoff2: Plugin = {
  name: 'only-woff2',
  enforce: 'pre',
  transform: {
    filter: { id: /katex[^/]*\.css$/ },
    handler: (css) => css.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)/g, ''),
  },
}

export default defineConfig(({ mode }) => ({
  base: '/',
  publicDir: here('./public'),
  plugins: [components, onlyWoff2],
  build: {
    // The bench page is measured the way production is built, but apart from it.
    outDir: mode === 'bench' ? here('./.bench') : here('../src/talkmeter/surfaces/web/static'),
    emptyOutDir: true,
    target: ['chrome125', 'edge125', 'firefox128', 'safari17.5'],
    sourcemap: false,
    // A data: font or an inline script would need a hole in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: mode === 'bench' ? here('./markdown-bench.html') : here('./index.html'),
      // What the first view and a later one share is one file, not a request for each.
      output: { codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] } },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/healthz', '/readyz'].map((path) => [
        path,
        process.env['TALKMETER_DEV_SERVER'] ?? 'http://127.0.0.1:8765',
      ]),
    ),
  },
  // Outside a browser Svelte would resolve to its server build.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  test: {
    environment: 'happy-dom',
    include: ['tests-unit/**/*.test.ts'],
    testTimeout: 60_000, // only keeps a hanging one from hanging the others: the machine is shared
  },
}))
