// Sends events to an edge by a published library: node send.js LIBRARY URL COUNT. It says which it
// has handed to the library, and ends when the library has delivered all of them.
'use strict';

const [library, url, count] = process.argv.slice(2);
const PAUSE_MS = 100;
const OCCURRED = new Date('2025-11-22T21:32:03.045Z');
const page = { url: 'https://shop.example/done?utm_source=x', referrer: 'https://r.example/' };
const order = {
  n: 0,
  order_id: 'o-1',
  currency: 'EUR',
  products: [{ product_id: 'mug', name: 'Mug', price: 2.5, quantity: 2 }, { product_id: 'tea', price: 4 }],
};

// Each library: how it sends the first event, how the one with a number, and how it ends.
const libraries = {
  '@segment/analytics-node': () => {
    const { Analytics } = require('@segment/analytics-node');
    const client = new Analytics({ writeKey: 'wk_node', host: url, flushAt: 5, flushInterval: 300, maxRetries: 20 });
    const who = { userId: library, anonymousId: 'a-1' };
    return {
      first: () => client.track({
        ...who, event: 'Order Completed', messageId: 'segment-node-0', timestamp: OCCURRED, properties: order, context: { page },
      }),
      event: (n) => client.track({ ...who, event: 'Clicked', properties: { n } }),
      end: () => client.closeAndFlush(),
    };
  },
  '@rudderstack/rudder-sdk-node': () => {
    const Analytics = require('@rudderstack/rudder-sdk-node');
    const client = new Analytics('wk_rudder', { dataPlaneUrl: url, flushAt: 5, flushInterval: 300, retryCount: 20 });
    const who = { userId: library, anonymousId: 'a-1' };
    return {
      first: () => client.track({
        ...who, event: 'Order Completed', messageId: 'rudder-node-0', timestamp: OCCURRED, properties: order, context: { page },
      }),
      event: (n) => client.track({ ...who, event: 'Clicked', properties: { n } }),
      end: () => client.flush(),
    };
  },
  '@snowplow/node-tracker': () => {
    const snowplow = require('@snowplow/node-tracker');
    let delivered = 0;
    let done;
    const all = new Promise((resolve) => { done = resolve; });
    const client = snowplow.newTracker(
      { namespace: 'ns', appId: 'shop' },
      {
        endpoint: url,
        bufferSize: 5,
        onRequestSuccess: (batch) => {
          delivered += batch.length;
          if (delivered >= Number(count)) done();
        },
      },
    );
    client.setUserId(library);
    return {
      first: () => client.track(
        snowplow.buildPageView({ pageUrl: page.url, pageTitle: 'Done', referrer: page.referrer }),
        [], { type: 'ttm', value: OCCURRED.getTime() },
      ),
      event: (n) => client.track(snowplow.buildStructEvent({ category: 'shop', action: 'clicked', value: n })),
      end: async () => {
        const again = setInterval(() => client.flush(), 300);
        client.flush();
        await all;
        clearInterval(again);
      },
    };
  },
  'posthog-node': () => {
    const { PostHog } = require('posthog-node');
    const client = new PostHog('phc_x', { host: url, flushAt: 5, flushInterval: 300, fetchRetryCount: 40, fetchRetryDelay: 500 });
    return {
      first: () => client.capture({
        distinctId: library, event: 'order completed', uuid: '01a20535-3a97-71d6-8f51-45b949a553d6', timestamp: OCCURRED,
        properties: { n: 0, order_id: 'o-1', $current_url: page.url, $referrer: page.referrer },
      }),
      event: (n) => client.capture({ distinctId: library, event: 'clicked', properties: { n } }),
      end: () => client.shutdown(60000),
    };
  },
};

(async () => {
  const client = libraries[library]();
  for (let n = 0; n < Number(count); n += 1) {
    if (n === 0) client.first();
    else client.event(n);
    console.log(`sent ${n}`);
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
  }
  await client.end();
  console.log('delivered');
  process.exit(0);
})();
