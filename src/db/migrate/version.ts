/** Version of Tidemark, as it stands in the events. A test holds it against package.json. */
export const TOOL_VERSION = "0.1.0";
