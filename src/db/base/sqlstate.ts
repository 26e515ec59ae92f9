/** SQLSTATEs that code of ours tells apart. */
export const QUERY_CANCELED = "57014";
export const LOCK_NOT_AVAILABLE = "55P03";
export const DEADLOCK_DETECTED = "40P01";
export const INSUFFICIENT_PRIVILEGE = "42501";
export const UNTRANSLATABLE_CHARACTER = "22P05";
