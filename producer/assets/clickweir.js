// Sends clicks to Clickweir from any page:
//
//   <script src="https://edge.example/clickweir.js" defer></script>
//   clickweir('view', { product_id: 'kettle', price: 49.0 });
//
// Every click gets an id of its own and the visitor's id. The click stays in a short list
// until the edge settles it. If the edge is full (503, 429) or does not answer, the click is
// sent again under the same id, so it counts once. After six tries on one page it is
// discarded; what waits for another try when the visitor leaves is sent by the next page.
(function () {
  'use strict';
  var script = document.currentScript;
  var endpoint = (script && script.dataset.endpoint) ||
    new URL('/v1/events', (script && script.src) || location.href).href;
  var WAITING_KEY = 'clickweir.waiting';
  var VISITOR_KEY = 'clickweir.visitor';
  var MAX_WAITING = 100;
  var MAX_TRIES = 6;
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

  // The browser may forbid a page to store anything. Then the list lives as long as the page.
  function load(name) {
    try { return localStorage.getItem(name); } catch (_) { return null; }
  }
  function store(name, text) {
    try { localStorage.setItem(name, text); } catch (_) { /* storage is forbidden or full */ }
  }

  function visitor() {
    var cookie = /(?:^|; )clickweir_visitor=([^;]+)/.exec(document.cookie);
    var id = (cookie && cookie[1]) || load(VISITOR_KEY) || uuid();
    store(VISITOR_KEY, id);
    if (!cookie) document.cookie = 'clickweir_visitor=' + id + '; path=/; max-age=31536000; samesite=lax';
    return id;
  }

  function addCampaign(click) {
    new URLSearchParams(location.search).forEach(function (value, name) {
      if (/^utm_(source|medium|campaign|term|content)$/.test(name)) click[name] = value;
    });
  }

  function remove(entry) {
    waiting = waiting.filter(function (other) { return other !== entry; });
  }

  function retryLater(entry, seconds) {
    entry.inFlight = false;
    if (entry.tries >= MAX_TRIES) return;
    var pause = Math.max(seconds, Math.pow(2, entry.tries - 1)) * 1000 * (0.75 + Math.random() / 2);
    clearTimeout(timer);
    timer = setTimeout(flush, pause);
  }

  function send(entry) {
    entry.inFlight = true;
    entry.tries += 1;
    var body = JSON.stringify(entry.click);
    if (!window.fetch) {
      if (navigator.sendBeacon && navigator.sendBeacon(endpoint, body)) remove(entry);
      else retryLater(entry, 1);
      return;
    }
    // For text/plain the browser sends no preflight to another origin.
    fetch(endpoint, {
      method: 'POST', body: body, keepalive: body.length < 60000,
      headers: { 'content-type': 'text/plain' }, credentials: 'omit', mode: 'cors'
    }).then(function (answer) {
      if (answer.status === 503 || answer.status === 429) {
        retryLater(entry, Number(answer.headers.get('retry-after')) || 1);
      } else {
        remove(entry);
      }
    }, function () { retryLater(entry, 1); });
  }

  function flush() {
    waiting.forEach(function (entry) {
      if (!entry.inFlight && entry.tries < MAX_TRIES) send(entry);
    });
  }

  function clickweir(action, fields) {
    var click = {
      id: uuid(), occurred_at: new Date().toISOString(), action: action,
      visitor_id: visitor(), url: location.href, referrer: document.referrer || undefined
    };
    addCampaign(click);
    Object.assign(click, fields);
    if (waiting.length >= MAX_WAITING) waiting.shift();
    var entry = { click: click, tries: 0, inFlight: false };
    waiting.push(entry);
    send(entry);
    return click.id;
  }

  // The next page sends the clicks that wait for another try. A request in flight outlives
  // this page by itself.
  addEventListener('pagehide', function () {
    var resting = waiting.filter(function (entry) { return !entry.inFlight && entry.tries < MAX_TRIES; });
    store(WAITING_KEY, JSON.stringify(resting.map(function (entry) { return entry.click; })));
    waiting = waiting.filter(function (entry) { return entry.inFlight; });
    clearTimeout(timer);
  });
  try {
    waiting = JSON.parse(load(WAITING_KEY) || '[]').slice(0, MAX_WAITING).map(function (click) {
      return { click: click, tries: 0, inFlight: false };
    });
  } catch (_) {
    waiting = [];
  }
  store(WAITING_KEY, '[]');

  window.clickweir = clickweir;
  flush();
})();
