/** The page's own texts in French. @type {Record<string, string>} */
export const FRENCH = {};
