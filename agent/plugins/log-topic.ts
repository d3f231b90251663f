/** Where plugins may publish. Apart from the messages that name it: a worker need not load zod for it. */
export const logTopic = /^logs\/[^+#\0]+$/;
