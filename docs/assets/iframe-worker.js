// Search from disk: browsers allow no Worker on file: pages, so there the search runs in a hidden frame of the page.
// It has the part of the interface of a Worker that Material for MkDocs uses.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.window = frame.contentWindow;
      this.window.importScripts = (...sources) => sources.reduce((before, source) => before.then(() => this.run(source)), Promise.resolve());
      this.window.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      this.ready = this.run(url);
    }

    run(source) {
      return new Promise((resolve, reject) => {
        const script = this.window.document.createElement("script");
        script.src = source;
        script.onload = resolve;
        script.onerror = reject;
        this.window.document.body.appendChild(script);
      });
    }

    postMessage(data) {
      this.ready.then(() => {
        const event = new MessageEvent("message", { data });
        this.window.dispatchEvent(event);
      });
    }

    terminate() {
      this.window.frameElement.remove();
    }
  };
}
