// Clickweir's tracker. One tag is enough: <script src="https://EDGE/clickweir.js" defer></script>
// docs/tracker.md says what it sends and stores, and which attributes the tag takes. The edge
// serves clickweir.min.js, which `make tracker` makes of this file.
//
// A page may have changed the language's own objects. So this calls few methods, loops by index,
// writes JSON by itself, and catches whatever is thrown.
(function () {
  'use strict';
  const MINUTE = 60000;
  const DAY = 1440 * MINUTE; // a click without an answer is kept so long
  const VISIT_IDLE = 30 * MINUTE;
  const ANSWER_TIMEOUT = MINUTE / 2;
  const MAX_PAUSE = 5 * MINUTE;
  const MAX_WAITING = 100;
  const MAX_KEPT_ALIVE = 20000; // in letters: a browser keeps 64 KiB alive beyond their page
  const MAX_VALUES = 5000; // of a click: a page may hand over its whole document
  const MAX_DEPTH = 14;
  const IDS = ['visitor_id', 'session_id', 'user_id'];
  const CAMPAIGN = /[?&#;](utm_(?:source|medium|campaign|term|content))=([^&#]+)/gi;
  const COOKIE = 'clickweir_visitor=';

  const own = {}.hasOwnProperty;
  const memory = {};
  const site = {}; // the fields that the site sets for every click
  const inFlight = {}; // the ids of the clicks whose answer this page awaits
  let tag, endpoint;
  let held = []; // clicks that wait for consent, or for a prerendered page to be seen
  let mode = 'held'; // or off, cookieless, full
  let said; // the answer to consent on this page
  let storageFails = false;
  let pausedUntil = 0, failures = 0, timer;
  let page = '', referrer = '';

  const now = () => (Date.now ? Date.now() : +new Date());
  const safe = (work) => (a, b, c) => { try { return work(a, b, c); } catch (_) { /* the page goes on */ } };
  const on = safe((target, kind, work) => target.addEventListener(kind, safe(work), true));
  const option = (name) => tag && tag.getAttribute('data-' + name);

  function copy(to, from) {
    for (const name in from) if (own.call(from, name)) to[name] = from[name];
  }

  function json(value) {
    let left = MAX_VALUES;
    const text = (value) => '"' + ('' + value).replace(/[\\"\u0000-\u001f]/g,
      (c) => '\\' + (c < ' ' ? 'u' + (c.charCodeAt(0) + 65536).toString(16).slice(1) : c)) + '"';
    const write = (value, depth) => {
      if (--left < 0 || depth > MAX_DEPTH) return 'null';
      if (value instanceof Date) return text(value.toISOString());
      if (typeof value === 'boolean' || (typeof value === 'number' && isFinite(value))) return '' + value;
      if (typeof value === 'string' || typeof value === 'bigint') return text(value);
      if (!value || typeof value !== 'object') return 'null';
      let all = '';
      if (Array.isArray(value)) {
        for (let i = 0; i < value.length && left > 0; i++) all += (i ? ',' : '') + write(value[i], depth + 1);
        return '[' + all + ']';
      }
      for (const name in value) {
        if (own.call(value, name) && value[name] != null && typeof value[name] !== 'function') {
          all += (all ? ',' : '') + text(name) + ':' + write(value[name], depth + 1);
        }
      }
      return '{' + all + '}';
    };
    return write(value, 0);
  }

  function uuid() {
    try { return crypto.randomUUID(); } catch (_) { /* the page is not on HTTPS */ }
    return '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) => {
      let noise = Math.random() * 256;
      try { noise = crypto.getRandomValues(new Uint8Array(1))[0]; } catch (_) { /* no crypto */ }
      return (digit ^ (noise & (15 >> (digit / 4)))).toString(16);
    });
  }

  // The browser may forbid a page to store anything, and so may the visitor. Then all of it lives
  // as long as the page. The visitor's own choices are kept in any case.
  const isKept = (name) => !storageFails && (mode === 'full' || name === 'off' || name === 'consent');
  function load(name) {
    try {
      if (isKept(name)) memory[name] = localStorage.getItem('clickweir.' + name);
    } catch (_) { storageFails = true; }
    return memory[name];
  }
  function store(name, text) {
    memory[name] = text;
    try {
      if (text === null) localStorage.removeItem('clickweir.' + name);
      else if (isKept(name)) localStorage.setItem('clickweir.' + name, text);
    } catch (_) { storageFails = true; }
  }
  function forget() {
    held = [];
    store('visitor', null);
    store('session', null);
    store('waiting', null);
    safe(() => { document.cookie = COOKIE + '; path=/; max-age=0'; })();
  }

  // Decides what may be sent and stored, and sends what was held until now.
  function decide() {
    const signals = (navigator.globalPrivacyControl ? option('gpc') : '') + ' ' +
      (navigator.doNotTrack === '1' ? option('dnt') : '');
    const consent = said || load('consent');
    const isGranted = consent === 'granted';
    const isAllowed = isGranted || (consent !== 'denied' && option('consent') !== 'required');
    const isCookieless = option('cookieless') !== null;
    const carried = mode === 'cookieless' ? waiting() : [];
    if (load('off') || /off/.test(signals)) mode = 'off';
    else if (!isAllowed && !isCookieless) mode = consent === 'denied' ? 'off' : 'held';
    else if (document.prerendering) mode = 'held';
    else mode = (isCookieless && !isGranted) || /cookieless/.test(signals) ? 'cookieless' : 'full';
    if (mode === 'held') return;
    const released = held;
    held = [];
    if (mode === 'off') return;
    for (let i = 0; i < carried.length; i++) revise(() => true, carried[i]);
    for (let i = 0; i < released.length; i++) dispatch(released[i]);
    flush();
  }

  function visitor() {
    let known;
    safe(() => { known = /(?:^|; )clickweir_visitor=([^;]+)/.exec(document.cookie); })();
    const id = (known && known[1]) || load('visitor') || uuid();
    store('visitor', id);
    safe(() => {
      const secure = location.protocol === 'https:' ? '; secure' : '';
      if (!known) document.cookie = COOKIE + id + '; path=/; max-age=31536000; samesite=lax' + secure;
    })();
    return id;
  }

  // Adds the campaign that began the visit, or a newer one, and returns the visit's id.
  function visit(click) {
    const last = (load('session') || '').split(' '); // its id, its last click, its campaign
    const isOver = !(Math.abs(now() - last[1]) < VISIT_IDLE);
    const id = isOver ? uuid() : last[0];
    const found = ('' + click.url).match(CAMPAIGN);
    let campaign = (!isOver && last[2]) || '', part;
    if (found) {
      campaign = '';
      for (let i = 0; i < found.length; i++) campaign += found[i];
    }
    store('session', id + ' ' + now() + ' ' + campaign);
    CAMPAIGN.lastIndex = 0;
    while ((part = CAMPAIGN.exec(campaign))) {
      const name = part[1].toLowerCase();
      let value = part[2].replace(/\+/g, ' ');
      try { value = decodeURIComponent(value); } catch (_) { /* as it is written */ }
      if (click[name] == null) click[name] = value;
    }
    return id;
  }

  function track(action, fields) {
    if (mode === 'off') return;
    const click = {
      id: uuid(), occurred_at: new Date(now()).toISOString(), action: action == null ? 'click' : '' + action,
      url: location.href, referrer,
    };
    copy(click, fields);
    if (mode !== 'held') dispatch(click);
    else if (held.length < MAX_WAITING) held[held.length] = click;
    return click.id;
  }

  function dispatch(click) {
    for (const name in site) if (own.call(site, name) && click[name] == null) click[name] = site[name];
    const session = visit(click);
    if (mode === 'full') {
      if (click.visitor_id == null) click.visitor_id = visitor();
      if (click.session_id == null) click.session_id = session;
    } else {
      for (let i = 0; i < IDS.length; i++) delete click[IDS[i]];
      click.cookieless = true;
    }
    delete click.retry;
    const entry = { id: '' + click.id, text: json(click), at: now(), free: 0, tried: false };
    const body = now() < pausedUntil ? null : take(entry);
    revise(() => true, entry);
    if (body) post(entry.id, body);
    flush();
  }

  // The list of clicks without an answer, which all pages of the site share. An entry has the
  // click's id and JSON, the time `at` which it came, the time from which it is `free` for any
  // page to send it, and whether one has tried.
  function waiting() {
    try {
      const all = JSON.parse(load('waiting'));
      if (Array.isArray(all)) return all;
    } catch (_) { /* somebody else changed it */ }
    return [];
  }

  function revise(keep, added) {
    const all = waiting(), kept = [];
    if (added) all[all.length] = added;
    for (let i = Math.max(0, all.length - MAX_WAITING); i < all.length; i++) {
      const entry = all[i];
      const isYoung = entry && entry.text && Math.abs(now() - entry.at) < DAY;
      if (isYoung && keep(entry)) kept[kept.length] = entry;
    }
    const text = kept.length ? json(kept) : null;
    if (text !== memory.waiting) store('waiting', text);
  }

  // Takes an entry for a try, and returns what to send.
  function take(entry) {
    const body = entry.tried ? entry.text.slice(0, -1) + ',"retry":true}' : entry.text;
    entry.tried = true;
    entry.free = now() + ANSWER_TIMEOUT;
    return body;
  }

  // Sends one click that waits. Its answer sends the next.
  function flush() {
    clearTimeout(timer);
    if (mode !== 'full' && mode !== 'cookieless') return;
    let id, body, soonest = Infinity;
    revise((entry) => {
      if (!body && Math.max(entry.free, pausedUntil) <= now()) {
        id = entry.id;
        body = take(entry);
      }
      soonest = Math.min(soonest, Math.max(entry.free, pausedUntil));
      return true;
    });
    if (soonest < Infinity) timer = setTimeout(safe(flush), Math.max(soonest - now(), 0) + 1);
    if (body) post(id, body);
  }

  function post(id, body) {
    inFlight[id] = true;
    const settle = safe((status, asked) => {
      delete inFlight[id];
      const isAgain = !status || status === 408 || status === 429 || status > 499;
      failures = isAgain ? failures + 1 : 0;
      const pause = Math.min(Math.pow(2, failures - 1) * 1000, MAX_PAUSE) * (0.75 + Math.random() / 2);
      pausedUntil = isAgain ? now() + Math.max(pause, asked || 0) : 0;
      revise((entry) => {
        if (entry.id !== id) return true;
        entry.free = asked ? pausedUntil : 0; // the next page keeps to what the edge asked for
        return isAgain;
      });
      flush();
    });
    const answered = (answer) => {
      let wait = 0;
      safe(() => {
        const asked = answer.headers.get('retry-after');
        wait = asked > 0 ? asked * 1000 : Date.parse(asked) - now();
      })();
      settle(answer && answer.status, wait > 0 ? Math.min(wait, DAY / 2) : 0);
    };
    try {
      // A body of text is text/plain, for which no browser asks another origin first.
      const keepalive = body.length < MAX_KEPT_ALIVE;
      fetch(endpoint, { method: 'POST', body, keepalive, credentials: 'omit' }).then(answered, () => settle(0));
    } catch (_) {
      // The page has no fetch, or one of its own that does not work.
      settle(safe(() => navigator.sendBeacon(endpoint, body))() ? 202 : 0);
    }
  }

  const sends = (action) => (' ' + option('skip') + ' ').indexOf(' ' + action + ' ') < 0;

  // A view of the page, unless it is the one that was seen last. An anchor is no page, a route is.
  function view(isBack) {
    const url = location.href.replace(/#(?![/!]).*/, '');
    const isSame = url === page;
    if (isSame && isBack !== true) return;
    if (page && !isSame) referrer = page;
    page = url;
    if (sends('page_view')) track('page_view');
  }

  function fieldsOf(element) {
    const fields = {}, all = element.attributes;
    for (let i = 0; i < all.length; i++) {
      const name = /^data-clickweir-(.+)/.exec(all[i].name);
      let value = all[i].value;
      if (!name) continue;
      if (/^[[{]/.test(value)) try { value = JSON.parse(value); } catch (_) { /* it is text */ }
      fields[name[1].replace(/-/g, '_')] = value;
    }
    return fields;
  }
  const isMarked = (element) => element && element.hasAttribute && element.hasAttribute('data-clickweir');
  const trackMarked = (element, fields) => track(element.getAttribute('data-clickweir') || 'click', fields);

  function clicked(event) {
    if (event.button > 1) return; // the secondary button opens a menu
    const path = event.composedPath();
    let marked, url;
    for (let i = 0; i < path.length; i++) {
      const element = path[i], kind = element.localName;
      if (!marked && kind !== 'form' && isMarked(element)) marked = element;
      if (!url && /^(a|area)$/.test(kind) && element.hasAttribute('href')) {
        url = safe(() => new URL(element.getAttribute('href'), document.baseURI))();
      }
    }
    const isOutbound = url && /^http/.test(url.protocol) && url.host !== location.host;
    const fields = marked ? fieldsOf(marked) : {};
    if (isOutbound) fields.link_url = url.href;
    if (marked) trackMarked(marked, fields);
    else if (isOutbound && sends('outbound_click')) track('outbound_click', fields);
  }

  function submitted(event) {
    const form = event.target;
    if (isMarked(event.submitter)) return; // the click on the button said it
    if (isMarked(form)) return trackMarked(form, fieldsOf(form));
    const form_id = form.getAttribute('id') || form.getAttribute('name');
    const form_url = new URL(form.getAttribute('action') || '', document.baseURI).href;
    if (sends('form_submit')) track('form_submit', { form_id, form_url });
  }

  // Reports a change of the address that a script makes, which has no event.
  const watch = safe((name) => {
    const native = history[name];
    if (typeof native === 'function') history[name] = function () {
      const result = native.apply(this, arguments);
      safe(view)();
      return result;
    };
  });

  const clickweir = safe(track);
  clickweir.set = safe((fields) => copy(site, fields));
  clickweir.consent = safe((answer) => {
    said = answer === 'granted' ? answer : 'denied';
    if (said === 'denied') forget();
    // Where nothing is stored without consent, a refusal leaves nothing behind either.
    const isDefault = option('consent') === 'required' || option('cookieless') !== null;
    store('consent', said === 'denied' && isDefault ? null : said);
    decide();
  });
  clickweir.optOut = safe(() => { store('off', '1'); forget(); decide(); });
  clickweir.optIn = safe(() => { store('off', null); decide(); });

  safe(() => {
    const before = window.clickweir;
    if (before && before.optOut) return; // the page has the tag twice
    safe(() => { window.clickweir = clickweir; })();
    tag = document.currentScript;
    if (!(tag instanceof HTMLScriptElement)) tag = document.querySelector('script[src*="clickweir"]');
    endpoint = option('endpoint') ||
      ((tag && tag.src) || location.href).replace(/^(\w+:\/+[^/?#]*).*/, '$1/v1/events');
    referrer = '' + document.referrer;
    for (let i = 0; i < IDS.length; i++) if (option(IDS[i])) site[IDS[i]] = option(IDS[i]);
    const asked = /[?&]clickweir=(on|off)\b/.exec(location.search);
    if (asked) clickweir[asked[1] === 'off' ? 'optOut' : 'optIn']();
    safe(decide)();

    on(window, 'click', clicked);
    on(window, 'auxclick', clicked);
    on(window, 'submit', submitted);
    on(window, 'popstate', view);
    on(window, 'hashchange', view);
    watch('pushState');
    watch('replaceState');
    on(document, 'prerenderingchange', decide);
    on(window, 'online', () => { pausedUntil = failures = 0; flush(); });
    on(window, 'pageshow', (event) => { if (event.persisted) { view(true); flush(); } });
    // The next page sends what has no answer yet.
    on(window, 'pagehide', () => revise((entry) => {
      if (inFlight[entry.id]) entry.free = 0;
      return true;
    }));
    safe(view)();
    const early = before && before.q;
    for (let i = 0; early && i < early.length; i++) clickweir(early[i][0], early[i][1]);
  })();
})();
