int kapok_uring_placeholder(void); 
