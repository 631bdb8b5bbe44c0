'use strict'
// @supabase/stripe-sync-engine as its README shows it: one upsert for each event. It makes no call to Stripe: objects are taken from the
// events as they are, and related objects are not fetched.
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')
const Fastify = require('fastify')
const { acceptRawJson, run } = require('../workers.js')

const databaseUrl = process.env.DATABASE_URL
const schema = 'stripe'

async function serve () {
  const sync = new StripeSync({
    schema,
    poolConfig: { connectionString: databaseUrl, max: 10 },
    stripeSecretKey: 'sk_test_invented',
    stripeWebhookSecret: process.env.STRIPE_WEBHOOK_SECRET,
    autoExpandLists: false,
    backfillRelatedEntities: false,
    revalidateObjectsViaStripeApi: []
  })
  const app = acceptRawJson(Fastify({ logger: false, bodyLimit: 1024 * 1024 }))
  app.post('/webhooks', async ({ headers, body }) => {
    await sync.processWebhook(body, headers['stripe-signature'])
    return { received: true }
  })
  return app
}

run(() => runMigrations({ databaseUrl, schema }), serve)
