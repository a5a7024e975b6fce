/** Pictures become characters: a canvas reads the brightness of each cell. */

const RAMP = " .,:;-~+=ixcoaeXO8#%@";
const CHARACTER_ASPECT = 2;

/**
 * Return the characters for the brightness of pixels, 0 to 255, row by row.
 * @param {ArrayLike<number>} levels @param {number} columns
 */
export function characters(levels, columns) {
	let low = 255;
	let high = 0;
	for (let i = 0; i < levels.length; i++) {
		low = Math.min(low, levels[i]);
		high = Math.max(high, levels[i]);
	}
	const range = high - low > 24 ? high - low : 255;
	const base = high - low > 24 ? low : 0;
	const lines = [];
	for (let start = 0; start < levels.length; start += columns) {
		let line = "";
		for (let i = start; i < start + columns; i++) {
			line += RAMP[Math.min(RAMP.length - 1, Math.floor(((levels[i] - base) / range) * RAMP.length))];
		}
		lines.push(line.trimEnd());
	}
	// A message must not be blank.
	return lines.join("\n").trimEnd() || ".";
}

/**
 * Return a picture as lines of characters of at most `limit` bytes. Throws if the file is no picture.
 * @param {Blob} file @param {number} columns @param {number} limit
 */
export async function toCharacters(file, columns, limit) {
	const picture = await createImageBitmap(file);
	try {
		const { width, height } = picture;
		// A line end counts as well.
		const most = Math.floor(Math.sqrt((limit * CHARACTER_ASPECT * width) / height)) - 2;
		const wide = Math.max(1, Math.min(columns, most, 400));
		const high = Math.max(1, Math.min(Math.round((wide * height) / width / CHARACTER_ASPECT), Math.floor(limit / (wide + 1))));
		const canvas = document.createElement("canvas");
		canvas.width = wide;
		canvas.height = high;
		const context = canvas.getContext("2d", { willReadFrequently: true });
		if (context === null) throw new Error("no canvas");
		context.fillStyle = "#000";
		context.fillRect(0, 0, wide, high);
		context.imageSmoothingQuality = "high";
		context.drawImage(picture, 0, 0, wide, high);
		const { data } = context.getImageData(0, 0, wide, high);
		const levels = new Uint8Array(wide * high);
		for (let i = 0; i < levels.length; i++) {
			levels[i] = 0.2126 * data[i * 4] + 0.7152 * data[i * 4 + 1] + 0.0722 * data[i * 4 + 2];
		}
		return characters(levels, wide);
	} finally {
		picture.close();
	}
}
