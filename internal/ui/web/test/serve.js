// A console to look at, without a server: node test/serve.js [SCENARIO] [PORT]
import { scenarios } from './fixture/scenarios.js';
import { serve } from './fixture/server.js';

const [scenario = 'running', port = '4173'] = process.argv.slice(2);
const fixture = await serve(scenario, { port: Number(port) });
console.log(`${fixture.url} shows "${scenario}"; others: ${Object.keys(scenarios).join(', ')}`);
