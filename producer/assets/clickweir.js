// Sends clicks to Clickweir from any page:
//
//   <script src="https://edge.example/clickweir.js" defer></script>
//   clickweir('view', { product_id: 'kettle', price: 49.0 });
//
// Every click gets an id of its own and the visitor's id. A click stays in a small
// list until the edge has said that it is durable; an edge that is full (503) or away
// is asked again, also from the next page, under the same id, so nothing counts twice.
(function () {
  'use strict';
  var script = document.currentScript;
  var endpoint = (script && script.dataset.endpoint) ||
    new URL('/v1/events', (script && script.src) || location.href).href;
  var KEEP = 'clickweir.waiting';
  var MOST = 100;
  var TRIES = 6;
  var waiting = [];
  var timer = 0;

  function uuid() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    var bytes = new Uint8Array(16);
    crypto.getRandomValues(bytes);
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    var hex = Array.from(bytes, function (byte) { return (byte + 256).toString(16).slice(1); }).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  // A page may be forbidden to keep anything; then the list lives as long as the page.
  function recall(name) {
    try { return localStorage.getItem(name); } catch (_) { return null; }
  }
  function keep(name, text) {
    try { localStorage.setItem(name, text); } catch (_) { /* nothing to do about it */ }
  }

  function visitor() {
    var cookie = /(?:^|; )clickweir_visitor=([^;]+)/.exec(document.cookie);
    var id = (cookie && cookie[1]) || recall('clickweir.visitor') || uuid();
    keep('clickweir.visitor', id);
    if (!cookie) document.cookie = 'clickweir_visitor=' + id + '; path=/; max-age=31536000; samesite=lax';
    return id;
  }

  function campaign(click) {
    new URLSearchParams(location.search).forEach(function (value, name) {
      if (/^utm_(source|medium|campaign|term|content)$/.test(name)) click[name] = value;
    });
  }

  function settle(entry) {
    waiting = waiting.filter(function (other) { return other !== entry; });
  }

  function later(entry, seconds) {
    entry.flying = false;
    if (entry.tries >= TRIES) return;
    var pause = Math.max(seconds, Math.pow(2, entry.tries - 1)) * 1000 * (0.75 + Math.random() / 2);
    clearTimeout(timer);
    timer = setTimeout(flush, pause);
  }

  function send(entry) {
    entry.flying = true;
    entry.tries += 1;
    var body = JSON.stringify(entry.click);
    if (!window.fetch) {
      if (navigator.sendBeacon && navigator.sendBeacon(endpoint, body)) settle(entry);
      else later(entry, 1);
      return;
    }
    // As text/plain the browser need not ask another origin first.
    fetch(endpoint, {
      method: 'POST', body: body, keepalive: body.length < 60000,
      headers: { 'content-type': 'text/plain' }, credentials: 'omit', mode: 'cors'
    }).then(function (answer) {
      if (answer.status === 503 || answer.status === 429) {
        later(entry, Number(answer.headers.get('retry-after')) || 1);
      } else {
        settle(entry);
      }
    }, function () { later(entry, 1); });
  }

  function flush() {
    waiting.forEach(function (entry) {
      if (!entry.flying && entry.tries < TRIES) send(entry);
    });
  }

  function clickweir(action, fields) {
    var click = {
      id: uuid(), occurred_at: new Date().toISOString(), action: action,
      visitor_id: visitor(), url: location.href, referrer: document.referrer || undefined
    };
    campaign(click);
    Object.assign(click, fields);
    if (waiting.length >= MOST) waiting.shift();
    var entry = { click: click, tries: 0, flying: false };
    waiting.push(entry);
    send(entry);
    return click.id;
  }

  // What waits for another try gets it from the next page. A request in flight
  // outlives this one by itself.
  addEventListener('pagehide', function () {
    var resting = waiting.filter(function (entry) { return !entry.flying && entry.tries < TRIES; });
    keep(KEEP, JSON.stringify(resting.map(function (entry) { return entry.click; })));
    waiting = waiting.filter(function (entry) { return entry.flying; });
    clearTimeout(timer);
  });
  try {
    waiting = JSON.parse(recall(KEEP) || '[]').slice(0, MOST).map(function (click) {
      return { click: click, tries: 0, flying: false };
    });
  } catch (_) {
    waiting = [];
  }
  keep(KEEP, '[]');

  window.clickweir = clickweir;
  flush();
})();
