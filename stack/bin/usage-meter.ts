import { App } from 'aws-cdk-lib';
import { usageMeter } from '../lib/app';

usageMeter(new App());
