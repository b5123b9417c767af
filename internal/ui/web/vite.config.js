import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The build must give the same bytes on every machine: it is committed, and
// `npm run check-dist` compares. Nothing here may depend on time, paths or
// the environment.
export default defineConfig({
  plugins: [svelte({ compilerOptions: { runes: true } })],
  base: '/',
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    // Everything the page needs is a file of its own: the content security
    // policy allows neither inline scripts and styles nor data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    reportCompressedSize: true,
  },
});
