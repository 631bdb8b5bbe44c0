'use strict'
// The product's guarantees by common means: JavaScript verifies, parses and decides each event, and one call of the product's SQL function
// applies it. Supports only the events of the benchmark: users who are not anonymous and have a confirmed e-mail.
const { createHmac, timingSafeEqual } = require('node:crypto')
const Fastify = require('fastify')
const { Pool } = require('pg')
const { acceptRawJson, run } = require('../workers.js')

const CONNECTIONS = 10 // in each worker
const TOLERANCE_SECONDS = 300
const EVENT_ID = /^[A-Za-z0-9_-]{1,200}$/
const SIGNATURE = /(?:^|[\s,])v1,([A-Za-z0-9+/]{43}=)(?=$|[\s,])/g
const USER_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const MOMENT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)$/
const RANK = { INSERT: 0, UPDATE: 1, DELETE: 2 }
const COLUMNS = ['email', 'first_name', 'last_name']
const STEPS = { linked: 'sync', none: 'unmatched', one: 'link', several: 'ambiguous', taken: 'already_linked' }
const PROCESS = { name: 'process', text: process.env.PROCESS_QUERY } // a prepared statement on each connection

const keys = (process.env.WEBHOOK_SECRETS ?? '').split(/[\s,|]+/).filter((text) => text.startsWith('whsec_'))
  .map((text) => Buffer.from(text.slice('whsec_'.length), 'base64'))

class Refused extends Error {
  constructor (statusCode, reason) {
    super(reason)
    this.statusCode = statusCode
  }
}

// Verifies by Standard Webhooks. Returns the event id.
function verify (headers, body) {
  const id = headers['webhook-id']
  const timestamp = headers['webhook-timestamp']
  const signatures = headers['webhook-signature']
  if (!id || !timestamp || !signatures || !EVENT_ID.test(id) || !/^[0-9]{1,12}$/.test(timestamp)) {
    throw new Refused(401, 'missing_signature')
  }
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) {
    throw new Refused(401, 'timestamp_out_of_tolerance')
  }
  const candidates = [...signatures.matchAll(SIGNATURE)].map((found) => Buffer.from(found[1], 'base64'))
  const signed = keys.map((key) => createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest())
  if (!signed.some((ours) => candidates.some((theirs) => timingSafeEqual(ours, theirs)))) {
    throw new Refused(401, 'wrong_signature')
  }
  return id
}

function parse (body) {
  try {
    return JSON.parse(body)
  } catch {
    throw new Refused(400, 'not_json')
  }
}

// Returns microseconds since 1970, because JavaScript's own Date has milliseconds.
function microseconds (written) {
  const found = MOMENT.exec(written)
  if (found === null) throw new Refused(422, 'invalid_payload')
  const [, seconds, fraction = '', zone] = found
  return Date.parse(seconds + zone) * 1000 + Number(fraction.padEnd(6, '0'))
}

function usableText (value) {
  const text = typeof value === 'string' ? value.trim() : ''
  return text.length > 0 && text.length <= 255 ? text : undefined
}

// Returns the same work as the product decides for the event.
function work (id, { type, schema, table, record }) {
  if (schema !== 'auth' || table !== 'users' || !(type in RANK) || !USER_ID.test(record?.id)) {
    throw new Refused(422, 'invalid_payload')
  }
  const email = usableText(record.email)
  if (!email || !record.email_confirmed_at || record.is_anonymous || record.deleted_at || record.banned_until) {
    throw new Refused(422, 'not_an_event_of_the_benchmark')
  }
  microseconds(record.email_confirmed_at)
  const metadata = record.raw_user_meta_data ?? {}
  const names = {}
  for (const column of ['first_name', 'last_name']) {
    const name = usableText(metadata[column])
    if (name !== undefined) names[column] = name
  }
  return {
    event_id: id,
    operation: type,
    auth_user_id: record.id,
    version: microseconds(record.updated_at) * 4 + RANK[type],
    via: 'webhook',
    requested_by: null,
    lease: null,
    user: {
      email, email_confirmed: true, employee_number: null, is_anonymous: false, banned_until: null, deleted_at: null, names
    },
    copy: { ...names, email },
    columns: COLUMNS,
    key: { email },
    steps: STEPS
  }
}

async function serve () {
  const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: CONNECTIONS })
  const app = acceptRawJson(Fastify({ logger: false, bodyLimit: 1024 * 1024 }))
  app.post('/webhook/auth', async ({ headers, body }) => {
    const id = verify(headers, body)
    const { rows: [{ answer }] } = await pool.query({ ...PROCESS, values: [JSON.stringify([work(id, parse(body))])] })
    if (answer.results === undefined) throw new Refused(503, 'earlier_events') // the product would apply them first
    const [result] = answer.results
    return { event_id: result.event_id, status: result.status, outcome: result.outcome }
  })
  return app
}

run(async () => {}, serve)
