'use strict'
// Two worker processes that share one port, as the product's server has two workers.
const cluster = require('node:cluster')
const process = require('node:process')

const WORKERS = 2

// Calls `prepare` once, then `serve` in each worker. `serve` resolves to a Fastify application, which listens on PORT.
async function run (prepare, serve) {
  if (cluster.isPrimary) {
    await prepare()
    for (let i = 0; i < WORKERS; i++) cluster.fork() // workers end with their primary process
    cluster.on('exit', () => process.exit(1))
  } else {
    const app = await serve()
    app.get('/readyz', async () => ({ ready: true }))
    await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT), backlog: 2048 })
  }
}

// The body is not parsed, because signatures are verified over its bytes.
function acceptRawJson (app) {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body))
  return app
}

module.exports = { run, acceptRawJson }
