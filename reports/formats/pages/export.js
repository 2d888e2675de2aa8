"use strict";
// Run in the page in which Kaleido exports figures: draws them as the report's own buttons do.
{
  const toImage = Plotly.toImage;
  const page = { ...Plotly };
  window.Plotly = { ...page, toImage: (figure, options) => (figure.layout && figure.layout.saved ? saved(figure, options) : toImage(figure, options)) };

  function saved({ data, layout: { saved: { title, basis }, ...layout } }, options) {
    return imageOf({ name: "saved", data, layout }, data, title, basis, options);
  }
}
