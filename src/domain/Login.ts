/**
 * For how long a login lives that nobody refreshes, in days. Each refresh begins them anew, so that who works
 * never logs in twice, and what lies forgotten on a lost machine ends by itself.
 */
export const loginDays = 90
