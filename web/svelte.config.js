// Read by editors and svelte-check; vite.config.ts holds the build's options.
export default { compilerOptions: { runes: true } }
