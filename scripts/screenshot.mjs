// Waits for a rollout of a running demo to be half-way and takes its picture.
// Usage: screenshot.mjs SERVER DIR ROLLOUT FILE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../internal/ui/web/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const [server, dir, rollout, file] = process.argv.slice(2);

// The demo's certificate is its own; the picture is all that is wanted here.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";

async function until(what, minutes, ask) {
  const end = Date.now() + minutes * 60_000;
  while (Date.now() < end) {
    const answer = await ask().catch(() => null);
    if (answer) return answer;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`cannot take the picture: waited ${minutes} min for ${what}`);
}

const token = await until("the server", 5, async () => readFileSync(`${dir}/data/admin.token`, "utf8").trim());
await until(`rollout ${rollout} to be half-way`, 8, async () => {
  const answer = await fetch(`${server}/api/v1/rollouts/${rollout}`, { headers: { Authorization: `Bearer ${token}` } });
  const { waves } = await answer.json();
  return waves[1].hosts.some((h) => h.state === "probation");
});

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 });
const signIn = await context.request.post(`${server}/api/v1/session`, { data: { token }, headers: { "Sec-Fetch-Site": "same-origin" } });
if (!signIn.ok()) throw new Error(`cannot sign in: ${signIn.status()}`);
const page = await context.newPage();
await page.goto(`${server}/rollouts/${rollout}`);
await page.getByText("probation").first().waitFor();
await page.screenshot({ path: file });
await browser.close();
