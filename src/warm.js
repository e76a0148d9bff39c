// The first formatter that a page makes takes some 20 ms: the browser reads the data of all languages. Whoever made one
// in the same process before has done it for all, so a worker makes one while the dashboard is on its way. Both the page
// and the worker run this file. Where that does not work the page makes its formatters as ever (src/format.rs).
if (globalThis.document) {
  new Worker(document.currentScript.src);
} else {
  new Intl.DateTimeFormat();
  new Intl.RelativeTimeFormat();
  close();
}
